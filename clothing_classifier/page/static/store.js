// The visit as this browser keeps it over a reload, in IndexedDB; where there is none, nothing is kept
const MOST_PICTURES = 200;
const MOST_BYTES = 200e6;
const MOST_SECONDS_TO_LOAD = 2;

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  });
}

async function openDatabase() {
  const request = indexedDB.open('clothing_classifier', 1);
  request.onupgradeneeded = () => {
    for (const name of ['files', 'answers']) request.result.createObjectStore(name, { keyPath: 'number' });
  };
  return result(request);
}

export class Store {
  constructor(labels) {
    this.labels = `${labels}`; // answers of other categories count for nothing
    this.sizes = new Map(); // number of a kept picture -> bytes
  }

  // What was kept, newest first; what has no answer yet comes without one
  async load() {
    const late = new Promise(resolve => setTimeout(resolve, 1000 * MOST_SECONDS_TO_LOAD, []));
    return Promise.race([this.read().catch(() => []), late]);
  }

  async read() {
    this.database = openDatabase();
    const transaction = (await this.database).transaction(['files', 'answers']);
    const all = ['files', 'answers'].map(name => result(transaction.objectStore(name).getAll()));
    const [files, answers] = await Promise.all(all);
    const current = answers.filter(answer => answer.labels === this.labels);
    const answerOf = new Map(current.map(answer => [answer.number, answer]));
    for (const { number, blob } of files) this.sizes.set(number, blob?.size || 0);
    const kept = files.map(file => ({ ...file, ...answerOf.get(file.number) }));
    const isFailed = ({ mistake }) => Number(Boolean(mistake));
    return kept.sort((one, other) =>
      other.batch - one.batch || isFailed(one) - isFailed(other) || one.number - other.number);
  }

  // A private window or a full disk never stops the visit
  async change(edit) {
    try {
      const transaction = (await this.database).transaction(['files', 'answers'], 'readwrite');
      edit(transaction.objectStore('files'), transaction.objectStore('answers'));
    } catch (error) {
      console.info('This visit is not kept:', error);
    }
  }

  keep({ number, batch, name, blob, url, example }) {
    this.sizes.set(number, blob?.size || 0);
    for (const old of this.tooMany()) this.drop(old);
    return this.change(files => files.put({ number, batch, name, blob, url, example }));
  }

  keepAnswer({ number, answer, thumbnail, mistake, said }) {
    if (!this.sizes.has(number)) return;
    const { labels } = this;
    return this.change((_, answers) => answers.put({ number, labels, answer, thumbnail, mistake, said }));
  }

  // A picture that was dropped, with its answer
  restore(picture) {
    this.keep(picture);
    if (picture.answer || picture.mistake) this.keepAnswer(picture);
  }

  // The oldest pictures, when there is no room for all
  tooMany() {
    const numbers = [...this.sizes.keys()].sort((one, other) => one - other);
    let bytes = [...this.sizes.values()].reduce((sum, size) => sum + size, 0);
    let kept = numbers.length;
    return numbers.filter(number => {
      const isTooMuch = kept > MOST_PICTURES || bytes > MOST_BYTES;
      if (isTooMuch) {
        bytes -= this.sizes.get(number);
        kept--;
      }
      return isTooMuch;
    });
  }

  drop(number) {
    this.sizes.delete(number);
    return this.change((files, answers) => {
      files.delete(number);
      answers.delete(number);
    });
  }

  clear() {
    this.sizes.clear();
    return this.change((files, answers) => {
      files.clear();
      answers.clear();
    });
  }
}
