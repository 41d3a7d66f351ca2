// What is pressed, and what leads on and looks alike.
import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Link } from "wouter";
import styles from "./button.module.css";
import { Icon, type IconName } from "./icon.js";

/** `primary` is the one clear action of a page; `quiet` stays in the background until it is looked for. */
export type Look = "primary" | "plain" | "quiet" | "danger";

interface Common {
  look?: Look;
  icon?: IconName;
  children?: ReactNode;
}

type ButtonProps = Common & ButtonHTMLAttributes<HTMLButtonElement> & { pending?: boolean };

/** `pending` says that what it does is under way: it can't be pressed again meanwhile. */
export function Button({ look = "plain", icon, pending = false, children, className, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={classes(look, className)}
      aria-disabled={pending || undefined}
      onClick={pending ? (event) => event.preventDefault() : rest.onClick}
    >
      {pending ? <span className={styles["spinner"]} aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A picture alone; `label` says what it does. */
export function IconButton({ icon, label, ...rest }: ButtonProps & { icon: IconName; label: string }) {
  return (
    <Button
      look="quiet"
      {...rest}
      icon={icon}
      aria-label={label}
      title={label}
      className={styles["square"]}
    />
  );
}

/** Leads to another of our pages. */
export function ButtonLink({ to, look = "plain", icon, children }: Common & { to: string }) {
  return (
    <Link href={to} className={classes(look)}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}

/** Leads to a page that is none of ours, or that the service makes. */
export function PageLink({ href, look = "plain", icon, children }: Common & { href: string }) {
  return (
    <a href={href} className={classes(look)}>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}

/** Fetches a file. */
export function FileLink({ href, look = "plain", icon, children }: Common & { href: string }) {
  return (
    <a href={href} className={classes(look)} download>
      {icon && <Icon name={icon} />}
      {children}
    </a>
  );
}

function classes(look: Look, more?: string): string {
  return [styles["button"], styles[look], more].filter(Boolean).join(" ");
}
