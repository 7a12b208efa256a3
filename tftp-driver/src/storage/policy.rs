//! What uploads are allowed.

use super::{StorageError, WriteRequest};

/// Which uploads storage accepts. Nothing is allowed by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WritePolicy {
    /// A file that does not exist may be written.
    pub create: bool,
    /// A file that exists may be replaced.
    pub overwrite: bool,
    /// The largest upload, in bytes. `None`: only the room there is limits it.
    pub max_size: Option<u64>,
}

impl WritePolicy {
    /// No uploads.
    pub const READ_ONLY: Self = Self { create: false, overwrite: false, max_size: None };
    /// New files only.
    pub const CREATE: Self = Self { create: true, overwrite: false, max_size: None };
    /// Existing files only.
    pub const OVERWRITE: Self = Self { create: false, overwrite: true, max_size: None };
    /// New and existing files.
    pub const ANY: Self = Self { create: true, overwrite: true, max_size: None };

    /// The same, with uploads of at most `bytes` bytes.
    #[must_use]
    pub const fn with_max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Whether no upload can ever succeed.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        !self.create && !self.overwrite
    }

    /// Checks what is known before the name is looked up.
    ///
    /// # Errors
    ///
    /// [`StorageError::AccessDenied`] if nothing may be written, [`StorageError::TooLarge`] if the client announces
    /// more than is allowed.
    pub fn check_request(&self, request: &WriteRequest) -> Result<(), StorageError> {
        if self.is_read_only() {
            return Err(StorageError::denied("uploads are not allowed"));
        }
        self.check_size(request.size.unwrap_or(0))
    }

    /// Checks whether a name that exists, or does not, may be written.
    ///
    /// # Errors
    ///
    /// [`StorageError::AlreadyExists`] or [`StorageError::NotFound`].
    pub const fn check_existing(&self, exists: bool) -> Result<(), StorageError> {
        match (exists, self.create, self.overwrite) {
            (true, _, false) => Err(StorageError::AlreadyExists),
            (false, false, _) => Err(StorageError::NotFound),
            (true, _, true) | (false, true, _) => Ok(()),
        }
    }

    /// Checks the size of an upload, in bytes.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLarge`].
    pub const fn check_size(&self, size: u64) -> Result<(), StorageError> {
        match self.max_size {
            Some(limit) if size > limit => Err(StorageError::TooLarge { limit }),
            _ => Ok(()),
        }
    }
}
