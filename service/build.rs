//! Says so when the program is built without the front end's pages.

use std::path::Path;

const PAGES: &str = "../web/dist";

fn main() {
    println!("cargo:rerun-if-changed={PAGES}");
    if !Path::new(PAGES).join("index.html").exists() {
        println!(
            "cargo:warning=web/dist is missing: this program will have no pages. Build them by scripts/web"
        );
    }
}
