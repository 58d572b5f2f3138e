import 'inf-llava/define';

document.querySelector('inf-llava-chat').addEventListener('inf-llava-answer', ({ detail }) => {
  console.log(detail.question, detail.answer.text);
});
