//! Lines of JSON without what a terminal should not see.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::escape::escape_json;

/// Passes on each line as [`escape_json`] has it, to a writer or one who makes them.
#[derive(Debug)]
pub(super) struct Escaped<W>(pub(super) W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaped<M> {
    type Writer = Escaped<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaped(self.0.make_writer())
    }
}

impl<W: Write> Write for Escaped<W> {
    /// Takes a line as a whole, as the subscriber writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => self.0.write_all(escape_json(text).as_bytes())?,
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
