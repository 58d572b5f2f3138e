'use client';

import { useState } from 'react';
import { InfLlavaChat } from 'inf-llava/react';

export function ImageChat() {
  const [answers, setAnswers] = useState(0);
  return (
    <>
      <InfLlavaChat onAnswer={() => setAnswers((count) => count + 1)} />
      <p>Answers: {answers}</p>
    </>
  );
}
