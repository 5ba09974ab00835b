// How a program asks for a picture that the page has classified
import { addressBeside } from './address.js';

const quoted = JSON.stringify; // a string as JavaScript, Python and JSON write it

function shellQuoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function curl(address, file, url) {
  const type = url ? 'application/json' : 'application/octet-stream';
  const body = url ? `-d ${shellQuoted(quoted({ url }))}` : `--data-binary ${shellQuoted(`@${file}`)}`;
  return `curl -H 'Content-Type: ${type}' ${body} ${address}`;
}

function python(address, file, url) {
  const link = `response = httpx.post(${quoted(address)}, json={"url": ${quoted(url)}})`;
  const upload = `with open(${quoted(file)}, "rb") as photo:
    response = httpx.post(${quoted(address)}, files={"files": photo})`;
  return `import httpx

${url ? link : upload}
response.raise_for_status()
for result in response.json()["results"]:
    print(result["answer"], result["probability"])`;
}

function javascript(address, file, url) {
  const link = `const response = await fetch(${quoted(address)}, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ url: ${quoted(url)} }),
});`;
  const upload = `const { openAsBlob } = await import("node:fs");

const form = new FormData();
form.append("files", await openAsBlob(${quoted(file)}), ${quoted(file)});
const response = await fetch(${quoted(address)}, { method: "POST", body: form });`;
  return `${url ? link : upload}
const answer = await response.json();
if (!response.ok) throw new Error(answer.detail);
for (const result of answer.results) console.log(result.answer, result.probability);`;
}

// Name of a tool or language, and what to write in it for a file, or for the picture behind a link
export function snippets(file, url) {
  const address = addressBeside('v1/predict');
  return Object.entries({ curl, Python: python, JavaScript: javascript })
    .map(([name, write]) => [name, write(address, file, url)]);
}
