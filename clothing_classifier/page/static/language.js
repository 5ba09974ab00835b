// The language of the visitor, and the buttons that change it
import { button, element } from './dom.js';
import { dropParameter, parameter } from './address.js';

const LANGUAGE_KEY = 'clothing-classifier-language';

// A browser may forbid a page to remember anything
function rememberedLanguage() {
  try {
    return localStorage.getItem(LANGUAGE_KEY);
  } catch {
    return null;
  }
}

function rememberLanguage(language) {
  dropParameter('lang');
  try {
    localStorage.setItem(LANGUAGE_KEY, language);
  } catch {
    // It is asked for again in the next visit
  }
}

// What the address asks for, what the visitor chose before, or what the settings say
export function firstLanguage({ languages, language }) {
  return [parameter('lang'), rememberedLanguage(), language].find(name => Object.hasOwn(languages, name));
}

export function languageSwitch(visit) {
  const choose = language => {
    rememberLanguage(language);
    visit.speak(language);
    visit.node.querySelector(`[data-language=${language}]`).focus();
  };
  const buttons = Object.entries(visit.about.languages).map(([language, { name }]) => {
    const attributes = { lang: language, 'data-language': language, 'aria-pressed': language === visit.language };
    return button(name, () => choose(language), attributes);
  });
  const attributes = { role: 'group', 'aria-label': visit.say('language') };
  return element('div', { className: 'cc-languages', attributes }, buttons);
}
