//! What a process holds, as the kernel counts it.

/// The most memory it has held so far, in KiB.
pub(crate) fn peak(process: u32) -> u64 {
    field(process, "VmHWM:")
}

/// The number of its threads.
pub(crate) fn threads(process: u32) -> u64 {
    field(process, "Threads:")
}

/// The number of its open files.
pub(crate) fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("a process").count()
}

fn field(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}
