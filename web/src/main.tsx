import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.js";
import "./style/tokens.css";
import "./style/base.css";
import "./style/start.css";
import { followLanguage } from "./text/index.js";
import { followTheme } from "./theme.js";

followTheme();
followLanguage();
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
