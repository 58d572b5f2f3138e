import { StrictMode, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { InfLlavaChat } from 'inf-llava/react';

function App() {
  const chat = useRef(null);
  const [answers, setAnswers] = useState([]);
  return (
    <main>
      <h1>Image chat on this device</h1>
      <button onClick={() => chat.current.newChat()}>Begin anew</button>
      <InfLlavaChat ref={chat} onAnswer={({ answer }) => setAnswers((before) => [...before, answer.text])}>
        <p slot="footer">Answers: {answers.length}</p>
      </InfLlavaChat>
    </main>
  );
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
