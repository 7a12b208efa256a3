//! What can be wrong with storage.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One thing that is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
        pub(crate) enum Fault {
            /// Nothing.
            None,
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All but `None`.
            pub(crate) const ALL: [Self; [$(stringify!($name)),*].len()] = [$(Self::$name),*];
        }
    };
}

faults! {
    // Reads.
    ReadsAreOneByteOff,
    OffsetsHave16Bits,
    LastOffsetWraps,
    ReadsOnlyForwards,
    ReadsFromItsOwnPosition,
    ReadersShareAPosition,
    ReadsAreShort,
    LargeReadsAreShort,
    ReadsAreLong,
    LastByteIsMissing,
    AByteTooMuchAtTheEnd,
    TheEndIsAnError,
    BeyondTheEndIsAnError,
    NoBytesAreAnError,
    EveryOtherReadFails,
    AtOnceIsWrong,
    AtOnceIsShort,
    AtOnceHasAnEffect,
    SizeIsTooLarge,
    SizeIsTooSmall,
    SizeIsZero,
    OneReaderAtATime,
    UnknownIsEmpty,
    UnknownIsAnotherError,
    // Names.
    UpwardsIsFollowed,
    ControlBytesAreDropped,
    NamesEndAtNul,
    PercentIsDecoded,
    OverlongIsDecoded,
    LastSlashIsDropped,
    // From here on only uploads show it.
    EmptyIsNotFound,
    ReaderSeesTheNewVersion,
    BackslashIsKept,
    FirstSlashIsKept,
    NamesAreCut,
    OnlyTheLastPartCounts,
    ExtensionIsDropped,
    TwoDotsAreRefused,
    // Uploads.
    VisibleFromTheBeginning,
    PartIsVisible,
    OldIsGoneAtOnce,
    AbortLeavesThePart,
    AbortRemovesTheOld,
    AbortCommits,
    AbortKeepsTheClaim,
    DropLeavesThePart,
    DropCommits,
    DropKeepsTheClaim,
    CommitIsLost,
    CommitLosesTheLastBlock,
    CommitAppends,
    OldTailIsKept,
    CommitOfNothingMakesNothing,
    CommitKeepsTheClaim,
    FilesShareTheirContent,
    SecondWriterIsLetIn,
    ClaimIsOnTheSpelling,
    BusyNamesAnother,
    BusyIsElsewhere,
    GapsAreFilled,
    PositionIsIgnored,
    TenthWriteIsLost,
    LargeWritesAreCut,
    AtOnceWriteIsLost,
    AtOnceWriteHasAnEffect,
    HintCuts,
    HintFills,
    NoBytesAnnouncedIsRefused,
    // The policy.
    ExistingIsReplaced,
    MissingIsMade,
    LargestSizeIsIgnored,
    LargestSizeIsThatAnnounced,
    LargestSizeIsOneTooMany,
    PolicyIsIgnored,
}

impl Fault {
    pub(crate) fn shows_in_downloads(self) -> bool {
        self < Self::EmptyIsNotFound || self == Self::PolicyIsIgnored
    }
}
