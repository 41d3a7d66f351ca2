// A path that leads nowhere.
import { ButtonLink } from "../../ui/button.js";
import { Page } from "../../ui/page.js";
import { useText } from "../../text/index.js";
import { shell } from "../../text/shell.js";

export function MissingPage() {
  const text = useText(shell);
  return (
    <Page title={text.missingTitle} width="form">
      <p>{text.missingText}</p>
      <ButtonLink to="/" look="primary">
        {text.home}
      </ButtonLink>
    </Page>
  );
}
