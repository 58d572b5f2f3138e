import { StrictMode, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { InfLlavaChat } from 'inf-llava/react';

const MODELS = [{ name: 'In the folder model/', url: 'model/' }];

function App() {
  const chat = useRef(null);
  const [model, setModel] = useState(''); // the package's own small model
  const [shown, setShown] = useState(true);
  const [answers, setAnswers] = useState([]);
  const [failure, setFailure] = useState('');
  return (
    <main>
      <h1>Image chat on this device</h1>
      <label>
        Model{' '}
        <select value={model} onChange={({ target }) => setModel(target.value)}>
          <option value="">The small one</option>
          {MODELS.map(({ name, url }) => (
            <option key={url} value={url}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => setShown(!shown)}>
        {shown ? 'Hide' : 'Show'}
      </button>
      <button type="button" onClick={() => chat.current?.newChat()}>
        Begin anew
      </button>
      {shown && (
        <InfLlavaChat
          ref={chat}
          aria-label="Image chat"
          model={model}
          models={MODELS}
          maxNewTokens={200}
          onAnswer={({ answer }) => setAnswers((before) => [...before, answer.text])}
          onError={({ message }) => setFailure(message)}
        >
          <p slot="footer">
            Answers: {answers.length} {failure}
          </p>
        </InfLlavaChat>
      )}
    </main>
  );
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
