// Puts the page into another one: <script src="https://clothes.example/embed.js"></script>
{
  const script = document.currentScript;
  const frame = document.createElement('iframe');
  frame.src = new URL('.', script.src);
  frame.title = script.dataset.title || 'What is on the photo?';
  frame.allow = 'camera; clipboard-write';
  frame.style = `width: 100%; height: ${script.dataset.height || '800px'}; border: 0; border-radius: 16px`;
  script.after(frame);
}
