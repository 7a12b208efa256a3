//! What a person sees on a terminal.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::fake::{Raw, data, oack};
use super::support::{command, send_signal, wait, wait_until};

const COLUMNS: usize = 70;

/// A terminal: its keyboard and screen, and the end that a program has.
fn terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: COLUMNS as u16, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&slave, size).unwrap();
    (master.into(), slave.into())
}

/// What stands on the screen after all this, of which a terminal understands the little that is used here.
fn screen(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0, 0);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(chars.next(), Some('['));
                let sequence: String = chars.by_ref().take_while(|char| !char.is_ascii_alphabetic()).collect();
                // `take_while` took the letter; only "erase line" has this number, everything else moves up or colours.
                if sequence == "2" {
                    lines[row] = Vec::new();
                }
            }
            char => {
                if column == COLUMNS {
                    (row, column) = (row + 1, 0);
                }
                lines.resize_with(lines.len().max(row + 1), Vec::new);
                let len = lines[row].len().max(column + 1);
                lines[row].resize(len, ' ');
                lines[row][column] = char;
                column += 1;
            }
        }
        lines.resize_with(lines.len().max(row + 1), Vec::new);
    }
    let lines = lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn ctrl_c_leaves_the_message_and_no_progress_bar() {
    let directory = tempfile::tempdir().unwrap();
    let (mut master, slave) = terminal();
    let raw = Raw::new();
    let host = raw.address().to_string();
    let mut client = command(&["get", &host, "a"]);
    client.current_dir(directory.path()).env("TERM", "xterm").env_remove("NO_COLOR").stderr(slave);
    let mut child = client.spawn().unwrap();
    // It holds the program's end of the terminal.
    drop(client);

    let seen = Arc::new(Mutex::new(Vec::new()));
    let reader = thread::spawn({
        let (mut master, seen) = (master.try_clone().unwrap(), Arc::clone(&seen));
        move || {
            let mut buffer = [0; 4096];
            // Fails once nobody has the other end.
            while let Ok(len @ 1..) = master.read(&mut buffer) {
                seen.lock().unwrap().extend_from_slice(&buffer[..len]);
            }
        }
    });
    let (_, peer) = raw.receive();
    raw.send(peer, &oack(&["tsize", "100000"]));
    raw.receive_opcode(4);
    raw.send(peer, &data(1, &[1; 512]));
    wait_until("a bar", || screen(&seen.lock().unwrap()).iter().any(|line| line.contains("512 B")));

    // What the terminal makes of the key: an echo, and a signal.
    master.write_all(b"\x03").unwrap();
    wait_until("an echo", || String::from_utf8_lossy(&seen.lock().unwrap()).contains("^C"));
    send_signal(&child, Signal::INT);
    assert_eq!(wait(&mut child).code(), Some(130));
    reader.join().unwrap();
    assert_eq!(screen(&seen.lock().unwrap()), ["error: stopped by Ctrl-C; a was not written"]);
}
