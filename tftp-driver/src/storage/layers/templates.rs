//! Content from templates.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, context};

use crate::storage::Budget;
use crate::storage::names::{canonical, hex_address};
use crate::storage::{BytesReader, Context, NoWriter, ReadRequest, Reader, Storage, StorageError, WriteRequest};

/// The largest template, in bytes.
const MAX_TEMPLATE: usize = 1 << 20;

/// How many instructions of the engine one file may take.
const FUEL: u64 = 1_000_000;

/// Makes files from templates, anew for each client.
///
/// A file of the storage below is a template in the language of Jinja, as the `minijinja` crate has it; without `include`
/// and `import`. It knows
///
/// | variable | is |
/// |---|---|
/// | `client.ip`, `client.port` | the client's address and UDP port |
/// | `client.hex` | the address in hexadecimal, as PXELINUX asks for it: `C00002A9` |
/// | `server.ip` | the address of ours that was asked; undefined where the system does not say |
/// | `name` | the name of the file, without a leading `/` |
///
/// A variable that is not defined is an error, not an empty text. Lines with nothing but `{% … %}` leave no empty line. It
/// takes no uploads.
///
/// Content is made when a file is opened and held in memory until the transfer ends: at most 1 MiB for each, and 256 MiB for
/// all. When all are that much, further requests stay unanswered until there is room, as at the server's other limits.
///
/// ```
/// use tftp_driver::storage::Memory;
/// use tftp_driver::storage::layers::{Fallback, Templates};
///
/// let templates = Memory::new();
/// templates.insert("boot.ipxe", "#!ipxe\nkernel http://{{ server.ip }}/vmlinuz ip={{ client.ip }}\n")?;
/// let files = Fallback::new(Memory::new(), Templates::new(templates));
/// # Ok::<(), tftp_driver::storage::StorageError>(())
/// ```
#[derive(Clone)]
pub struct Templates<S> {
    storage: S,
    engine: Arc<Environment<'static>>,
    max_size: usize,
    budget: Budget,
}

impl<S: Storage> Templates<S> {
    /// Makes files from the templates of `storage`.
    pub fn new(storage: S) -> Self {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        // Text for machines, whatever its name ends in.
        engine.set_auto_escape_callback(|_| AutoEscape::None);
        engine.set_fuel(Some(FUEL));
        if let Ok(syntax) =
            SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build()
        {
            engine.set_syntax(syntax);
        }
        Self { storage, engine: Arc::new(engine), max_size: 1 << 20, budget: Budget::new(256 << 20) }
    }

    /// The largest file that is made, in bytes. 1 MiB by default.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.max_size = bytes;
        self
    }

    /// The most bytes that all files together may take while they are sent. 256 MiB by default.
    #[must_use]
    pub fn max_total(mut self, bytes: u64) -> Self {
        self.budget = Budget::new(bytes);
        self
    }

    /// Reads a whole template.
    async fn template(&self, request: &ReadRequest, cx: &Context) -> Result<String, StorageError> {
        let mut reader = self.storage.open_read(request, cx).await?;
        let bytes = match reader.try_read_at(0, MAX_TEMPLATE + 1) {
            Some(answer) => answer?,
            None => reader.read_at(0, MAX_TEMPLATE + 1).await?,
        };
        if bytes.len() > MAX_TEMPLATE {
            return Err(StorageError::Other(format!("the template is larger than {MAX_TEMPLATE} bytes")));
        }
        String::from_utf8(bytes.into()).map_err(|error| {
            StorageError::Other(format!("the template is not UTF-8 from byte {}", error.utf8_error().valid_up_to()))
        })
    }
}

/// What a template is rendered with.
struct Facts {
    name: String,
    client: SocketAddr,
    server: Option<IpAddr>,
}

fn render(engine: &Environment<'_>, template: &str, facts: &Facts, limit: usize) -> Result<Vec<u8>, StorageError> {
    let ip = facts.client.ip().to_canonical();
    let client = context! { ip => ip.to_string(), port => facts.client.port(), hex => hex_address(ip) };
    let server = match facts.server {
        Some(ip) => context! { ip => ip.to_canonical().to_string() },
        None => context! {},
    };
    let context = context! { client, server, name => facts.name.as_str() };
    let mut out = Bounded { bytes: Vec::new(), limit };
    let rendered = engine
        .template_from_named_str(&facts.name, template)
        .and_then(|template| template.render_captured_to(context, &mut out).map(drop));
    match rendered {
        Ok(()) => Ok(out.bytes),
        Err(error) => Err(StorageError::Other(match error.kind() {
            ErrorKind::WriteFailure => format!("the template makes more than {limit} bytes"),
            ErrorKind::OutOfFuel => "the template takes too long".to_owned(),
            _ => format!("the template fails: {error}"),
        })),
    }
}

/// Takes no more than its limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Storage> Storage for Templates<S> {
    type Reader = BytesReader;
    type Writer = NoWriter;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<BytesReader, StorageError> {
        let name = String::from_utf8_lossy(&canonical(&request.name)?).into_owned();
        let template = self.template(request, cx).await?;
        let facts = Facts { name, client: request.peer, server: request.local_ip };
        let (engine, limit, budget) = (Arc::clone(&self.engine), self.max_size, self.budget.clone());
        let make = move || {
            let content = render(&engine, &template, &facts, limit)?;
            let mut reservation = budget.reservation();
            if !reservation.grow(content.len() as u64) {
                return Err(io::Error::from(io::ErrorKind::OutOfMemory).into());
            }
            Ok::<Bytes, StorageError>(reservation.attach(content))
        };
        cx.run(make).await?.map(BytesReader::new)
    }

    async fn open_write(&self, _: &WriteRequest, _: &Context) -> Result<NoWriter, StorageError> {
        Err(StorageError::denied("templates take no uploads"))
    }
}

impl<S: fmt::Debug> fmt::Debug for Templates<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates")
            .field("storage", &self.storage)
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}
