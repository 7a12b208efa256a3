use core::fmt;

/// The codes of ERROR packets (RFC 1350 appendix, RFC 2347).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// 0: not defined, see the message.
    NotDefined,
    /// 1: file not found.
    FileNotFound,
    /// 2: access violation.
    AccessViolation,
    /// 3: disk full or allocation exceeded.
    DiskFull,
    /// 4: illegal TFTP operation.
    IllegalOperation,
    /// 5: unknown transfer identifier.
    UnknownTransferId,
    /// 6: file already exists.
    FileAlreadyExists,
    /// 7: no such user (of the obsolete mail mode).
    NoSuchUser,
    /// 8: the option negotiation failed (RFC 2347).
    OptionNegotiation,
    /// A code that no RFC defines.
    Other(u16),
}

impl ErrorCode {
    /// The code of a number on the wire.
    #[must_use]
    pub const fn from_wire(code: u16) -> Self {
        match code {
            0 => Self::NotDefined,
            1 => Self::FileNotFound,
            2 => Self::AccessViolation,
            3 => Self::DiskFull,
            4 => Self::IllegalOperation,
            5 => Self::UnknownTransferId,
            6 => Self::FileAlreadyExists,
            7 => Self::NoSuchUser,
            8 => Self::OptionNegotiation,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::NotDefined => 0,
            Self::FileNotFound => 1,
            Self::AccessViolation => 2,
            Self::DiskFull => 3,
            Self::IllegalOperation => 4,
            Self::UnknownTransferId => 5,
            Self::FileAlreadyExists => 6,
            Self::NoSuchUser => 7,
            Self::OptionNegotiation => 8,
            Self::Other(code) => code,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDefined => "not defined",
            Self::FileNotFound => "file not found",
            Self::AccessViolation => "access violation",
            Self::DiskFull => "disk full or allocation exceeded",
            Self::IllegalOperation => "illegal TFTP operation",
            Self::UnknownTransferId => "unknown transfer identifier",
            Self::FileAlreadyExists => "file already exists",
            Self::NoSuchUser => "no such user",
            Self::OptionNegotiation => "option negotiation failed",
            Self::Other(code) => return write!(f, "error code {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn codes_have_the_meaning_of_the_rfcs_and_survive_the_wire() {
        let meanings = [
            "not defined",
            "file not found",
            "access violation",
            "disk full or allocation exceeded",
            "illegal TFTP operation",
            "unknown transfer identifier",
            "file already exists",
            "no such user",
            "option negotiation failed",
            "error code 9",
        ];
        for (code, meaning) in (0..).zip(meanings) {
            let error = ErrorCode::from_wire(code);
            assert_eq!((error.to_string().as_str(), error.to_wire()), (meaning, code));
        }
    }
}
