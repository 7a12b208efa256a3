//! What one side must and must not do, whatever it has been through.

use tftp_proto::Instant;
use tftp_proto::transfer::Ending;
use tftp_proto::wire::{Options, Packet};

use super::piece::file;
use super::scenario::{Scenario, Storage};
use super::side::{Gap, Input, Reaction, Side};

/// A side that waits has something to wait for.
pub(super) fn check_wait(
    scenario: &Scenario,
    side: &Side,
    now: Instant,
    deadline: Option<Instant>,
) -> Result<(), String> {
    match deadline {
        // With one clock for all a datagram may come at the very moment of a timer, and goes first.
        Some(deadline) if deadline < now || (deadline == now && !scenario.real_time) => {
            return Err("a deadline in the past".into());
        }
        None if !side.awaits_storage() => return Err("it waits for ever".into()),
        Some(_) | None => {}
    }
    // Early and repeated calls of a timer change nothing.
    let last_moment = deadline.map_or(now, |deadline| Instant::from_micros(deadline.as_micros() - 1));
    for moment in [now.min(last_moment), last_moment] {
        let mut woken = side.transfer.clone();
        woken.handle_timeout(moment);
        if woken != side.transfer {
            return Err("a timer that came too early changed something".into());
        }
    }
    Ok(())
}

/// A server's first answer: nothing but what was asked, and nothing large.
pub(super) fn check_first_answer(
    scenario: &Scenario,
    asked: &Options,
    server: &Side,
    reaction: &Reaction,
) -> Result<(), String> {
    if scenario.storage == Storage::Prompt && reaction.sent.len() != 1 {
        return Err(format!("{} datagrams to a peer that may be forged", reaction.sent.len()));
    }
    for bytes in &reaction.sent {
        match Packet::parse(bytes) {
            Ok(Packet::Oack(options)) => {
                let granted = options.parse();
                let unasked = granted.options.iter().any(|(kind, _)| asked.value(kind).is_none());
                if unasked || granted.unknown > 0 || granted.options.is_empty() {
                    return Err("an OACK with an option that was not asked".into());
                }
            }
            Ok(Packet::Data { block: 1, .. }) if server.is_source && asked.is_empty() => {}
            Ok(Packet::Ack { block: 0 }) if !server.is_source && asked.is_empty() => {}
            _ => return Err("a first answer of the wrong kind".into()),
        }
    }
    Ok(())
}

/// One step of one side.
pub(super) fn check(
    scenario: &Scenario,
    before: &Side,
    input: Input,
    bytes: &[u8],
    after: &Side,
    reaction: &Reaction,
) -> Result<(), String> {
    let packet = if let Input::Packet(_) = input { Packet::parse(bytes).ok() } else { None };
    let mut data = 0;
    for sent in &reaction.sent {
        match Packet::parse(sent) {
            Ok(Packet::Data { .. }) => data += 1,
            Ok(Packet::Ack { block }) => check_ack(scenario, after, block)?,
            Ok(Packet::Request(_) | Packet::Oack(_) | Packet::Error { .. }) => {}
            Err(_) => return Err("it sent something that is no packet".into()),
        }
    }
    let is_request = |sent: &Vec<u8>| matches!(Packet::parse(sent), Ok(Packet::Request(_)));
    if let Some(Packet::Error { .. }) = packet
        && !reaction.sent.iter().all(is_request)
    {
        return Err("an answer to an ERROR".into());
    }
    if !before.is_live() && !reaction.sent.is_empty() {
        return Err("it sent something after its end".into());
    }
    if data > usize::from(scenario.window()) {
        return Err(format!("{data} DATA packets at once"));
    }
    if !after.is_source && reaction.sent.len() > 1 {
        return Err("a receiver that sends several datagrams at once".into());
    }
    check_ending(scenario, after)?;
    if scenario.storage == Storage::Prompt && before.is_live() {
        check_repeats(scenario, before, input, bytes, packet.as_ref(), after, reaction)?;
    }
    if before.is_source && before.is_live() {
        check_source(scenario, before, packet.as_ref(), after, data)?;
    }
    Ok(())
}

/// Nothing is acknowledged that did not come, and the whole file only when it is safe.
fn check_ack(scenario: &Scenario, side: &Side, block: u16) -> Result<(), String> {
    let block = usize::from(block);
    if side.is_source {
        return Err("a sender that sends an ACK".into());
    }
    if block * scenario.block_size() > side.got && block < scenario.blocks() {
        return Err(format!("ACK {block} of a block that did not come"));
    }
    if block >= scenario.blocks() && !side.committed {
        return Err("the final ACK before the file is safe".into());
    }
    Ok(())
}

fn check_ending(scenario: &Scenario, side: &Side) -> Result<(), String> {
    let clean = match side.ending {
        None | Some(Ending::TimedOut) => true,
        Some(Ending::Completed) => side.is_source || (side.committed && side.got == file(scenario.size).len()),
        Some(Ending::DeliveredUnconfirmed) => side.is_source && usize::from(side.acked) + 1 == scenario.blocks(),
        // Who cancels, and who knows nothing of the peer's transfer, says so.
        Some(Ending::PeerError(_) | Ending::SizeProbe | Ending::Failed) => true,
        Some(_) => false,
    };
    if clean { Ok(()) } else { Err(format!("it ended with {:?}", side.ending)) }
}

/// The number of a block of the present window, if that is what a packet is, but not the next one.
pub(super) fn behind_a_gap(scenario: &Scenario, side: &Side, bytes: &[u8]) -> Option<u16> {
    let receiver = side.transfer.receiver().filter(|receiver| !receiver.is_complete())?;
    let received = receiver.blocks_received();
    let ahead = received + 2..=received + u64::from(scenario.window());
    match Packet::parse(bytes) {
        Ok(Packet::Data { block, .. }) => Some(block).filter(|block| ahead.contains(&u64::from(*block))),
        _ => None,
    }
}

/// Whether a packet is DATA that has come before, within a window.
pub(super) fn is_old(scenario: &Scenario, side: &Side, bytes: &[u8]) -> bool {
    let Some(receiver) = side.transfer.receiver() else { return false };
    let received = receiver.blocks_received();
    let behind = (received + 1).saturating_sub(u64::from(scenario.window()))..=received;
    matches!(Packet::parse(bytes), Ok(Packet::Data { block, .. }) if behind.contains(&u64::from(block)))
}

/// Whoever repeats itself has not heard us: what it needs is repeated, at once.
fn check_repeats(
    scenario: &Scenario,
    before: &Side,
    input: Input,
    bytes: &[u8],
    packet: Option<&Packet<'_>>,
    after: &Side,
    reaction: &Reaction,
) -> Result<(), String> {
    let sent_ack = |wanted| {
        let is_wanted = |sent: &Vec<u8>| matches!(Packet::parse(sent), Ok(Packet::Ack { block }) if block == wanted);
        reaction.sent.iter().any(is_wanted)
    };
    if input == Input::Repeat && !before.heard && reaction.sent.len() != 1 {
        return Err("a repeated request is not answered".into());
    }
    let Some(receiver) = before.transfer.receiver() else { return Ok(()) };
    // RFC 7440 §4: a gap is reported at once, and once until what is not missing comes again, or of what came behind the gap
    // the end, first of all.
    if let Some(block) = behind_a_gap(scenario, before, bytes) {
        let told = u16::try_from(receiver.blocks_received()).is_ok_and(sent_ack);
        return match (before.gap, told) {
            (Gap::Untold, false) => Err("a gap is not reported".into()),
            // Within a round trip a copy of DATA is no sign that the report was lost.
            (Gap::Doubtful, false) if !scenario.real_time => Err("a gap is not reported once more".into()),
            (Gap::Told { ahead, copied }, true) if copied || block != ahead => {
                Err("a gap is reported once more".into())
            }
            (_, true) | (Gap::Told { .. } | Gap::Doubtful, false) => Ok(()),
        };
    }
    let received = u16::try_from(receiver.blocks_received()).unwrap_or(u16::MAX);
    match packet {
        Some(Packet::Oack(_)) if received == 0 && after.is_live() && !sent_ack(0) && scenario.window() == 1 => {
            Err("a repeated OACK is not answered with ACK 0".into())
        }
        Some(Packet::Data { block, .. })
            if *block == received
                && received > 0
                // Within a round trip a copy of DATA is no sign that its ACK was lost.
                && !scenario.real_time
                && (scenario.window() == 1 || before.is_dallying())
                && !sent_ack(received) =>
        {
            Err(format!("a repeated DATA {block} is not acknowledged again"))
        }
        _ => Ok(()),
    }
}

fn check_source(
    scenario: &Scenario,
    before: &Side,
    packet: Option<&Packet<'_>>,
    after: &Side,
    data: usize,
) -> Result<(), String> {
    let Some(Packet::Ack { block }) = packet else { return Ok(()) };
    // RFC 1123 §4.2.3.1.
    let is_copy = *block < before.acked || (*block == before.acked && before.transfer.is_proved());
    if scenario.window() == 1 && is_copy && data > 0 && before.transfer.sender().is_some() {
        return Err(format!("DATA in answer to a copy of ACK {block}"));
    }
    if usize::from(*block) == scenario.blocks() && after.ending != Some(Ending::Completed) {
        return Err("the final ACK came, and that is no success".into());
    }
    Ok(())
}
