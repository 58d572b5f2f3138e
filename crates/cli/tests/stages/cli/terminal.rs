//! A conversation at a terminal: keys, history, completion, pasted text, narrow and dumb terminals. The program gets a
//! pseudo-terminal of its own, as its controlling one.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use super::{PROGRAM, image, json, tiny};

/// Nothing here takes as long.
const PATIENCE: Duration = Duration::from_secs(120);
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

struct Terminal {
    child: Child,
    keys: File,
    screen: Receiver<Vec<u8>>,
    /// All that was shown.
    shown: String,
    /// How much of it was waited for.
    heard: usize,
}

impl Terminal {
    /// The program at a terminal of `columns`; with `term` as its kind.
    fn start(args: &[&str], columns: u16, term: &str, home: &Path) -> Self {
        Self::start_with(args, columns, term, home, &[])
    }

    /// The same with more variables of the environment.
    fn start_with(
        args: &[&str],
        columns: u16,
        term: &str,
        home: &Path,
        variables: &[(&str, &str)],
    ) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("a pseudo-terminal");
        let end = || pty.slave.try_clone().expect("its other end");
        // util-linux's: a session whose terminal this is.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", PROGRAM])
            .args(args)
            .env_remove("INF_LLAVA_MODEL")
            .env("TERM", term)
            .env("HOME", home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .envs(variables.iter().copied())
            .current_dir(home)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid, of util-linux");
        drop(pty.slave);
        let keys = File::from(pty.master);
        let mut output = keys.try_clone().expect("to read");
        let (send, screen) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Once nobody has its other end it cannot be read any more.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if send.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal {
            child,
            keys,
            screen,
            shown: String::new(),
            heard: 0,
        }
    }

    /// A conversation about a picture with the small model.
    fn chat(columns: u16, term: &str, home: &Path, more: &[&str]) -> Self {
        let (model, picture) = (tiny(), image(1));
        let mut args = vec!["chat", "--device", "cpu", "--temperature", "0"];
        args.extend(["--model", &model, "--image", &picture]);
        args.extend(more);
        let mut terminal = Self::start(&args, columns, term, home);
        terminal.see("/help lists");
        terminal.see("> ");
        terminal
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// Waits until `text` is shown behind what was waited for before.
    fn see(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.heard..].find(text) {
                self.heard += at + text.len();
                return;
            }
            self.more(until, text);
        }
    }

    fn more(&mut self, until: Instant, awaited: &str) {
        match self
            .screen
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
            Err(error) => panic!(
                "{error}: {awaited:?} is not in {:?}",
                &self.shown[self.heard..]
            ),
        }
    }

    /// The exit code, and all that was shown.
    fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("it does not end: {}", self.shown);
                }
            }
        }
        (self.child.wait().expect("ended").code(), self.shown)
    }
}

/// The questions of a conversation that was saved.
fn questions(file: &Path) -> Vec<String> {
    let saved = json(&std::fs::read_to_string(file).expect("saved"));
    assert_eq!(saved["format"], "inf-llava-chat");
    let topics = saved["topics"].as_array().expect("topics");
    let turns = topics
        .iter()
        .flat_map(|topic| topic["turns"].as_array().expect("turns"));
    turns
        .map(|turn| turn["question"].as_str().expect("text").to_string())
        .collect()
}

const FEW: [&str; 2] = ["--max-new-tokens", "4"];

#[test]
fn keys_edit_a_line_and_history_gives_it_back() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::chat(80, "xterm-256color", home.path(), &FEW);
    terminal.press("Hw many?");
    terminal.press(&LEFT.repeat(7));
    terminal.press("o\r");
    terminal.see(" s]");
    terminal.press(&format!("{UP}\r"));
    terminal.see(" s]");
    terminal.press("\x1b[200~Which one\nis it?\x1b[201~\r");
    terminal.see(" s]");
    terminal.press("/sa\tall.json\r");
    terminal.see("3 answers");
    terminal.press(CTRL_D);
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(
        questions(&home.path().join("all.json")),
        ["How many?", "How many?", "Which one\nis it?"],
        "{shown}"
    );
    // What was asked is nowhere but where it was to be saved.
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_command_that_there_is_not_is_named_at_the_terminal_too() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::chat(80, "xterm", home.path(), &FEW);
    terminal.press("/imge a.png\r");
    terminal.see("/image");
    terminal.see("> ");
    terminal.press("/help\r");
    terminal.see("\n  /image FILE");
    terminal.press("/save x.json\r");
    terminal.see("nothing has been said");
    terminal.press("/quit\r");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn a_dropped_file_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    std::fs::copy(image(0), home.path().join("my picture.png")).unwrap();
    let mut terminal = Terminal::chat(80, "xterm", home.path(), &FEW);
    for path in [
        "/image my\\ picture.png ",
        "/image ~/my\\ picture.png",
        "/image 'my picture.png'",
    ] {
        terminal.press(&format!("{path}\r"));
        terminal.see("> ");
    }
    terminal.press(&format!(
        "\x1b[200~'{}/my picture.png' \x1b[201~\r",
        home.path().display()
    ));
    terminal.see("> ");
    terminal.press("How many?\r");
    terminal.see(" s]");
    terminal.press("/save all.json\r");
    terminal.see("1 answer: ");
    terminal.press(CTRL_D);
    let (_, shown) = terminal.end();
    assert!(!shown.contains("error"), "{shown}");
    let saved = json(&std::fs::read_to_string(home.path().join("all.json")).unwrap());
    let picture = saved["topics"][0]["picture"].as_str().unwrap();
    assert!(picture.ends_with("/my picture.png"), "{picture}");
}

/// What is typed while an answer comes waits for its turn, and does not stand between its pieces or in a progress bar.
#[test]
fn what_is_typed_ahead_is_shown_when_its_turn_comes() {
    let home = tempfile::tempdir().unwrap();
    let long = ["--repetition-penalty", "0.1", "--max-new-tokens", "1500"];
    let mut terminal = Terminal::chat(80, "xterm", home.path(), &long);
    terminal.press("Hi\r");
    terminal.see("\n");
    let begun = terminal.shown.len();
    while terminal.shown.len() < begun + 200 {
        terminal.more(Instant::now() + PATIENCE, "an answer");
    }
    terminal.press(&format!("/help\r{CTRL_D}"));
    let begun = terminal.shown.len();
    terminal.see(" s]");
    assert!(!terminal.shown[begun..terminal.heard].contains("/help"));
    terminal.see("> ");
    terminal.see("/help");
    terminal.see("/image FILE");
    assert_eq!(terminal.end().0, Some(0));
}

#[test]
fn ctrl_c_at_the_prompt_keeps_the_conversation_until_it_is_pressed_again() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::chat(80, "xterm", home.path(), &FEW);
    terminal.press(&format!("half a question{CTRL_C}"));
    terminal.see("once more");
    terminal.press("How many?\r");
    terminal.see(" s]");
    terminal.see("> ");
    terminal.press(CTRL_C);
    terminal.see("once more");
    terminal.press(CTRL_C);
    assert_eq!(terminal.end().0, Some(130));
}

#[test]
fn a_narrow_terminal_and_a_dumb_one_can_be_talked_at() {
    let home = tempfile::tempdir().unwrap();
    for (columns, term) in [(20, "xterm"), (1, "xterm"), (80, "dumb")] {
        let mut terminal = Terminal::chat(columns, term, home.path(), &FEW);
        terminal.press("How many are there of them?\r");
        terminal.see(" s]");
        terminal.press("/quit\r");
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(0), "{columns} {term}: {shown}");
        assert!(!shown.contains("panicked"), "{columns} {term}: {shown}");
        if term == "dumb" {
            assert!(!shown.contains('\x1b'), "{shown:?}");
        }
    }
}

/// Only who agrees gets a large download, with its size and licence told before.
#[test]
fn a_large_download_is_asked_about() {
    let hub = super::models::large().serve();
    let home = tempfile::tempdir().unwrap();
    let answered = |answer: &str| {
        let variables = [("HF_ENDPOINT", hub.url.as_str())];
        let args = ["info", "--model", "owner/name"];
        let mut terminal = Terminal::start_with(&args, 80, "xterm", home.path(), &variables);
        terminal.see("21 MB to download");
        terminal.see("llama3");
        terminal.see("[y/N]");
        terminal.press(answer);
        terminal.end()
    };
    let kept = home
        .path()
        .join("cache/huggingface/hub/models--owner--name/blobs");
    for no in ["n\r", "\r", "what?\r", CTRL_D] {
        let (code, shown) = answered(no);
        assert_eq!(code, Some(130), "{no:?}: {shown}");
        assert!(!kept.exists(), "{no:?}");
    }
    // It is no model, which is found out after it was downloaded.
    let (code, shown) = answered("Y\r");
    assert_eq!(code, Some(3), "{shown}");
    assert!(kept.read_dir().unwrap().count() > 1, "{shown}");
}
