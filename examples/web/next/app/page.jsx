import { ImageChat } from './image-chat.jsx';

export default function Page() {
  return (
    <main>
      <h1>Image chat on this device</h1>
      <ImageChat />
    </main>
  );
}
