// The API without the element: a model, a conversation, and an answer as it comes.
import { load } from 'inf-llava';

const [status, form, picture, samples, question, answer] = ['status', 'form', 'picture', 'samples', 'question', 'answer'].map((id) =>
  document.getElementById(id),
);

try {
  const model = await load({
    onProgress: ({ phase, done, total }) => (status.textContent = `Loading (${phase}): ${done} of ${total || '?'}`),
  });
  status.textContent = `Ready on ${model.info().device}`;
  const chat = model.chat();

  // A question waits until the picture is read.
  const show = (image) => chat.setImage(image).catch(fail);
  picture.addEventListener('change', () => picture.files.length && show(picture.files[0]));
  for (const { bytes, alt, questions } of await model.samples()) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = `Sample ${samples.childElementCount + 1}`;
    button.title = alt;
    button.addEventListener('click', () => {
      show(bytes);
      question.value = questions[0];
    });
    samples.append(button);
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    answer.textContent = '';
    try {
      const reply = chat.ask(question.value, { temperature: 0 });
      for await (const piece of reply) answer.append(piece);
      const { answer_tokens, tokens_per_second } = await reply.answer;
      status.textContent = `${answer_tokens} tokens, ${tokens_per_second.toFixed(1)} a second`;
    } catch (error) {
      fail(error);
    }
  });
} catch (error) {
  fail(error);
}

function fail({ code, message }) {
  status.textContent = `${message} (${code})`;
}
