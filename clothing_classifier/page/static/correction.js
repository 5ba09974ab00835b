// The form behind "Wrong?": the right category, with the visitor's consent
import { button, element } from './dom.js';

function categorySelect({ say, about, categoryName }, answer) {
  const choices = about.choices.filter(category => category !== answer.answer);
  const options = choices.map(value => element('option', { value, textContent: categoryName(value) }));
  const empty = element('option', { value: '', textContent: say('choose_one') });
  return element('select', { required: true }, empty, options);
}

// `onClose` gets a sentence of thanks, or nothing if the visitor cancelled
export function correctionForm(picture, onClose) {
  const { visit, answer } = picture;
  const { say } = visit;
  const category = categorySelect(visit, answer);
  const consent = element('input', { type: 'checkbox', required: true });
  const note = element('p', { className: 'cc-said', attributes: { role: 'status' } });
  const send = element('button', { type: 'submit', textContent: say('send_correction') });

  async function submit(event) {
    event.preventDefault();
    const missing = [category, consent].find(field => !field.checkValidity());
    if (missing) {
      note.textContent = say(missing === category ? 'must_choose' : 'must_agree');
      return missing.focus();
    }
    send.disabled = true;
    try {
      await picture.correct(category.value);
      onClose(say('thanks', { category: visit.categoryName(category.value) }));
    } catch (error) {
      send.disabled = false;
      note.textContent = visit.sentence(error);
    }
  }

  const onchange = () => note.replaceChildren();
  return element('form', { className: 'cc-wrong', noValidate: true, onsubmit: submit, onchange },
    element('label', {}, say('right_is'), category),
    element('label', { className: 'cc-agree' }, consent, element('span', { textContent: say('consent') })),
    element('div', { className: 'cc-acts' }, send, button(say('cancel'), () => onClose())),
    note);
}
