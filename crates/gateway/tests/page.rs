//! The live page, in a browser: with Chromium on this machine, or named by `CHROMIUM`. Without one it is passed over, but
//! not where `CI` is set. Pictures of it are left in `target/page`.

mod browser;
mod serving;

use std::{env, fs, path::Path};

use browser::Browser;
use serving::Serving;

#[test]
fn the_page_shows_what_happens_and_goes_on_doing_so() {
    let Some(program) = browser::program() else {
        assert!(env::var_os("CI").is_none(), "install Chromium, or name one by CHROMIUM");
        eprintln!("passed over: there is no Chromium; install it, or name one by CHROMIUM");
        return;
    };
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../page");
    fs::create_dir_all(&pictures).expect("a folder");
    let mut run = Serving::start(&[]);
    let mut browser = Browser::start(&program);
    let text = |selector: &str| format!("document.querySelector('{selector}').innerText");
    let rows = |table: &str| format!("document.querySelectorAll('#{table} tbody tr').length");

    browser.look(1_280, 900, "light");
    browser.open(&format!("http://{}/", run.pages));
    browser.wait("ten consumers", &format!("{} === 10", rows("consumers")));
    browser.wait("all books", &format!("{}.includes('16 of 16')", text("#tiles")));
    // The demonstration's slow and unreliable consumers are told of, by name.
    browser.wait("who is slow", &format!("{}.includes('slow')", text("#findings")));
    browser.wait(
        "who panics",
        &format!("{}.match(/unreliable panics.*of trace [0-9a-f]+/) !== null", text("#findings")),
    );
    // It may have panicked on a critical message, too.
    let health = browser.ask(&text("#health"));
    assert!(health == "look here" || health == "not well", "{health}");
    assert_eq!(browser.ask(&rows("venues")), 4);
    assert_eq!(browser.ask(&rows("merges")), 2);
    assert_eq!(browser.ask(&rows("pools")), 5);
    assert_eq!(browser.ask("document.querySelectorAll('.books [data-level=good]').length"), 16);
    assert_eq!(browser.ask("document.querySelector('#remote').hidden"), true);
    // Where a quantile was measured, there is a time; a figure that is none would say so.
    let quick = "[...document.querySelectorAll('#consumers tbody tr')].find(row => row.cells[0].innerText === 'recorder')";
    browser.wait(
        "a latency",
        &format!("/^[0-9.]+ (ns|µs|ms|s)$/.test({quick}.cells[4].lastChild.textContent)"),
    );
    let page = browser.ask("document.body.innerText");
    let page = page.as_str().expect("text");
    for wrong in ["NaN", "undefined", "Infinity", "null", "[object"] {
        assert!(!page.contains(wrong), "{wrong} in\n{page}");
    }

    // It goes on by itself: what it says is not what it said.
    let before = browser.ask(&text("#about"));
    let before = before.as_str().expect("text");
    browser.wait("news", &format!("{} !== '{before}'", text("#about")));
    let flipped = serving::ask(
        &run.control,
        "POST /commands HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: 6\r\nConnection: close\r\n\r\n\"flip\"",
    );
    assert_eq!(flipped.status, 200, "{flipped:?}");
    browser.wait("the flip", &format!("{}.includes('flipped')", text("#tiles")));

    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.ask(background);
    browser.picture(&pictures.join("light.png"));
    browser.look(1_280, 900, "dark");
    assert_ne!(browser.ask(background), light, "it has colours for the dark");
    browser.picture(&pictures.join("dark.png"));
    // On a phone nothing is wider than the screen, and what a figure is stands beside it.
    browser.look(390, 844, "dark");
    let width =
        "document.documentElement.scrollWidth <= window.innerWidth && window.innerWidth === 390";
    browser.wait("no more than a phone's width", width);
    let name =
        "getComputedStyle(document.querySelector('#consumers tbody td'), '::before').content";
    assert_eq!(browser.ask(name), "\"delivered/s\"");
    browser.picture(&pictures.join("phone.png"));
    // It asks for nothing elsewhere, and its own policy lets everything that it needs.
    let elsewhere = format!(
        "performance.getEntriesByType('resource').filter(entry => !entry.name.startsWith('http://{}/')).length",
        run.pages
    );
    assert_eq!(browser.ask(&elsewhere), 0);
    assert!(browser.errors.is_empty(), "{:?}", browser.errors);

    // Nobody answers any more: it says so, and keeps what it had.
    run.kill();
    browser.wait("the end", &format!("{} === 'does not answer'", text("#health")));
    assert_eq!(browser.ask(&rows("consumers")), 10);
}
