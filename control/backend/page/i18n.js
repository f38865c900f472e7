// The languages, and how numbers and times are written in them.

import { keep, recall } from "./keep.js";
import en from "./en.js";
import ru from "./ru.js";
import doneRu from "./done-ru.js";
import saidRu from "./said-ru.js";
import { sentences } from "./sentences.js";
import toldRu from "./told-ru.js";

/** Every language, by its own name. */
export const LANGUAGES = { en: "English", ru: "Русский" };

// What the proxy says is English as it is.
const DICTIONARIES = { en, ru: { ...ru, ...toldRu } };
const SENTENCES = { en: sentences([]), ru: sentences([...doneRu, ...saidRu]) };

let language = "en";
let numbers;
let clock;
let plurals;

/** Takes the language that was chosen here before, or else the first of the browser's that there is. */
export function beginLanguage() {
  const wanted = [recall("language"), ...(navigator.languages ?? [])].filter(Boolean);
  setLanguage(wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in DICTIONARIES) ?? "en");
}

function setLanguage(tag) {
  language = tag;
  numbers = new Map();
  clock = new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  plurals = new Intl.PluralRules(tag);
  document.documentElement.lang = tag;
}

/** Takes this language, and remembers it. */
export function chooseLanguage(tag) {
  keep("language", tag);
  setLanguage(tag);
}

/** The language's tag. */
export const currentLanguage = () => language;

/** Sentences of the proxy's in this language; `null` if they are not all known. */
export const sentence = (text) => SENTENCES[language](text);

/** Whether there is a text for `key`. */
export const has = (key) => Object.hasOwn(DICTIONARIES[language], key);

/**
 * The text for `key`, with `{name}` replaced by `values.name`. A text may be an object of plural forms: `values.n` then
 * decides, and is written as a number.
 */
export function t(key, values = {}) {
  let text = DICTIONARIES[language][key] ?? key;
  if (typeof text === "object") {
    text = text[plurals.select(values.n)] ?? text.other;
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? count(value) : String(value ?? "");
  });
}

/** The text for `key` if there is one, else `words`: for words of the proxy's that may be new to this page. */
export const orWords = (key, words) => (has(key) ? t(key) : words);

function format(options) {
  const key = JSON.stringify(options);
  let made = numbers.get(key);
  if (!made) {
    made = new Intl.NumberFormat(language, options);
    numbers.set(key, made);
  }
  return made;
}

/** A whole number. */
export const count = (value) => format({ maximumFractionDigits: 0 }).format(value);

/** A number with a tenth, if it has one. */
export const number = (value) => format({ maximumFractionDigits: 1 }).format(value);

/** A number in three digits, with the unit of its size: units are of 1, 1,000, 1,000,000 and so on. */
function scaled(value, units) {
  let step = 0;
  while (value >= 999.5 && step < units.length - 1) {
    value /= 1000;
    step += 1;
  }
  // Below a thousand of the least unit there are no parts.
  const digits = step === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  const text = format({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  return `${text}\u00a0${t(units[step])}`;
}

/** Bytes each second, as bits. */
export const bitRate = (bytes) =>
  bytes === null || bytes === undefined
    ? "–"
    : scaled(bytes * 8, ["unit.bit/s", "unit.kbit/s", "unit.Mbit/s", "unit.Gbit/s", "unit.Tbit/s"]);

/** Frames each second. */
export const frameRate = (frames) =>
  frames === null || frames === undefined ? "–" : t("unit.frames/s", { n: Math.round(frames) });

/** Bytes. */
export const size = (bytes) => scaled(bytes, ["unit.B", "unit.kB", "unit.MB", "unit.GB", "unit.TB"]);

/** A share of one. */
export const percent = (share) => format({ style: "percent", maximumFractionDigits: share < 0.1 ? 1 : 0 }).format(share);

/** A time of less than an hour as `m:ss`, a longer one as `h:mm:ss`. */
export function countdown(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** How long something has been: its two largest units. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    ["unit.d", Math.floor(whole / 86400)],
    ["unit.h", Math.floor(whole / 3600) % 24],
    ["unit.min", Math.floor(whole / 60) % 60],
    ["unit.s", whole % 60],
  ];
  const first = parts.findIndex(([, value]) => value > 0);
  const shown = first < 0 ? parts.slice(3) : parts.slice(first, first + 2).filter(([, value]) => value > 0);
  return shown.map(([unit, value]) => `${value}\u00a0${t(unit)}`).join(" ");
}

/** The time of day, here. */
export const timeOfDay = (unixMs) => clock.format(new Date(unixMs));
