// Starts the page that shows the document. What it needs to know stands in attributes, so that no page has a script in it.
"use strict";

// Scalar makes style elements of its own, and gives the nonce of the page to the first of them only.
if (document.getElementById("scalar")) {
  const nonce = document.querySelector('meta[property="csp-nonce"]').nonce;
  const createElement = Document.prototype.createElement;
  Document.prototype.createElement = function (name, options) {
    const element = createElement.call(this, name, options);
    if (element instanceof HTMLStyleElement) {
      element.nonce = nonce;
    }
    return element;
  };
}

const starts = {
  "swagger-ui": (element) => {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
    follow();
    dark.addEventListener("change", follow);
    window.SwaggerUIBundle({
      url: element.dataset.specUrl,
      domNode: element,
      deepLinking: true,
      filter: true,
      // Tokens are forgotten with the page, and no other host is asked whether the document is valid.
      persistAuthorization: false,
      validatorUrl: null,
    });
  },
  scalar: (element) => {
    window.Scalar.createApiReference(element, {
      url: element.dataset.url,
      persistAuth: false,
      // All that follows would ask a foreign host, or offer to.
      withDefaultFonts: false,
      telemetry: false,
      agent: { disabled: true },
      mcp: { disabled: true },
      showDeveloperTools: "never",
      hideClientButton: true,
    });
  },
};

// By then all scripts of the page have run, in whatever order they stand.
document.addEventListener("DOMContentLoaded", () => {
  for (const [id, start] of Object.entries(starts)) {
    const element = document.getElementById(id);
    if (element) {
      start(element);
    }
  }
});
