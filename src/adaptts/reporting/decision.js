"use strict";
(() => {
  const { options, digits } = JSON.parse(document.getElementById("decide-options").textContent);
  const form = document.getElementById("decide-form");
  const answer = document.getElementById("decide-answer");

  const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const decibels = (value) => value.toFixed(digits);
  const seconds = (value) => `${Number(value.toPrecision(3))}\u00a0s`;

  // As decision.recommend: least validation distortion, of equals the least compute, then speech.
  function recommend(speech, compute) {
    const within = (spent, budget) => spent <= budget * (1 + 1e-9);
    const affordable = options.filter((option) => within(option.speech, speech) && within(option.compute, compute));
    affordable.sort((a, b) => a.validation - b.validation || a.compute - b.compute || a.speech - b.speech);
    return affordable[0];
  }

  function tell(option) {
    const cost = `It takes ${seconds(option.speech)} of speech and ${seconds(option.compute)} of compute`;
    const interval = option.low === null ? "" : ` (${decibels(option.low)} to ${decibels(option.high)})`;
    const test = option.value === null ? "" : `; of the test voices, ${decibels(option.value)}\u00a0dB${interval}`;
    return `${option.arm}, with ${counted(option.shots, "utterance")}, stopped after ${counted(option.steps, "step")}. ${cost}. Mel distortion of the validation voices: ${decibels(option.validation)}\u00a0dB${test}.`;
  }

  function render() {
    const { speech, compute } = form.elements;
    if (!form.checkValidity()) {
      answer.textContent = "Give both budgets as numbers of seconds, 0 or more.";
      return;
    }
    const option = recommend(speech.valueAsNumber, compute.valueAsNumber);
    const least = Math.min(...options.map((each) => each.speech));
    answer.textContent = option ? tell(option) : `Nothing fits: one needs ${seconds(least)} of speech at least.`;
  }

  form.addEventListener("input", render);
  form.addEventListener("submit", (event) => event.preventDefault());
  render();
})();
