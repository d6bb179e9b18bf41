//! `natlab completions SHELL` and `natlab man [DIR]`: both come from the definition of the command line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::args::Arguments;
use super::exit::Exit;
use super::output::{complain, written};

/// `natlab completions …`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

/// `natlab man …`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write one page per command into this directory, instead of the first page to stdout.
    directory: Option<PathBuf>,
}

/// Prints the completion script of a shell.
pub fn completions(arguments: &Completions, out: &mut impl Write) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "natlab", &mut script);
    written(out.write_all(&script).and_then(|()| out.flush()))
}

/// Prints or writes manual pages.
pub fn man(arguments: &Man, out: &mut impl Write) -> Exit {
    match &arguments.directory {
        None => written(render(Arguments::command()).and_then(|page| out.write_all(&page)).and_then(|()| out.flush())),
        Some(directory) => match pages(directory) {
            Ok(()) => Exit::Success,
            Err(e) => {
                let hint = "name a directory you may write to";
                complain(&format!("failed to write pages into {}: {e}", directory.display()), Some(hint));
                Exit::Usage
            }
        },
    }
}

fn render(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Page::new(command).render(&mut page)?;
    Ok(page)
}

/// `natlab.1`, `natlab-run.1`, …, as git names its own.
fn pages(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, command) in commands() {
        fs::write(directory.join(format!("{name}.1")), render(command)?)?;
    }
    Ok(())
}

/// The program and every visible subcommand, each under the name of its page.
fn commands() -> Vec<(String, Command)> {
    let mut root = Arguments::command();
    root.build();
    let mut found = vec![("natlab".to_owned(), root)];
    let mut next = 0;
    while let Some((name, command)) = found.get(next).cloned() {
        for sub in command.get_subcommands().filter(|s| !s.is_hide_set() && s.get_name() != "help") {
            let page = format!("{name}-{}", sub.get_name());
            // The page shows the command as it is typed: `natlab serve stun`.
            let typed: &'static str = page.replace('-', " ").leak();
            found.push((page, sub.clone().bin_name(typed).display_name(typed)));
        }
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(run: impl FnOnce(&mut Vec<u8>) -> Exit) -> String {
        let mut out = vec![];
        assert_eq!(run(&mut out), Exit::Success);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let script = text(|out| completions(&Completions { shell }, out));
            for word in ["rules", "serve", "list"] {
                assert!(script.contains(word), "{word} for {shell}");
            }
        }
    }

    #[test]
    fn every_visible_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("man1");
        assert!(text(|out| man(&Man { directory: Some(into.clone()) }, out)).is_empty());
        for page in ["natlab.1", "natlab-list.1", "natlab-serve.1", "natlab-serve-stun.1"] {
            let page = fs::read_to_string(into.join(page)).unwrap();
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{page}");
        }
        assert!(!into.join("natlab-agent.1").exists(), "hidden");
        let stun = fs::read_to_string(into.join("natlab-serve-stun.1")).unwrap();
        assert!(stun.contains("natlab serve stun"), "{stun}");
    }

    #[test]
    fn the_first_page_goes_to_stdout() {
        let page = text(|out| man(&Man { directory: None }, out));
        assert!(page.contains(".TH natlab 1"), "{page}");
    }
}
