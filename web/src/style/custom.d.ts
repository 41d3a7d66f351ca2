// Our own CSS properties, which a style may set.
import "react";

declare module "react" {
  interface CSSProperties {
    "--speaker"?: string;
  }
}
