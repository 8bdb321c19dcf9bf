// In its own file, because the content security policy forbids inline scripts.
(() => {
  "use strict";
  const element = document.getElementById("swagger");
  SwaggerUIBundle({
    domNode: element,
    url: element.dataset.document,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    persistAuthorization: false,
    tryItOutEnabled: false,
    validatorUrl: null,
    onComplete: () => element.querySelector("main, [role=main]")?.setAttribute("role", "presentation"), // the page has one
  });

  // Swagger UI is dark by a class of its own.
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    root.classList.toggle("dark-mode", (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark");
  };
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
  system.addEventListener("change", follow);
  follow();
})();
