//! What every adapter must be able to do with files, as cases that are generic over the runtime: server and client
//! against each other, and the client against peers played by hand.
//!
//! Adapters include this file and expand [`suite`]. A case ends within a minute or fails.

mod endings;
mod fake_peers;
mod loops;
mod many;
mod ports;
mod refusals;
mod rig;
mod round_trips;

pub(crate) use endings::*;
pub(crate) use fake_peers::*;
pub(crate) use loops::*;
pub(crate) use many::*;
pub(crate) use ports::*;
pub(crate) use refusals::*;
pub(crate) use rig::{Rig, Task, within_a_minute};
pub(crate) use round_trips::*;

/// Expands to a module of tests. `$run` blocks on a future; `$spawn` has one run beside it.
macro_rules! suite {
    ($module:ident, $runtime:expr, $run:expr, $spawn:expr) => {
        suite!(@ $module, $runtime, $run, $spawn,
            sizes_around_block_edges more_than_65535_blocks netascii_both_ways sizes_and_parameters_are_known
            progress_is_told slow_readers_hold_the_server_back chunks_are_as_large_as_asked_for
            peers_that_wait_in_place
            readers_that_know_the_size_need_no_end_of_file
            readers_keep_their_version files_from_slow_storage
            random_ports a_range_of_ports a_single_port over_ipv6 several_listen_addresses
            answers_come_from_the_address_that_was_asked
            two_hundred_at_once_each_way several_event_loops the_end_of_an_event_loop_moves_no_peer
            a_part_that_never_started_leaves_no_client_alone
            a_dropped_download_tells_the_server a_dropped_upload_leaves_nothing a_dropped_server_leaves_nothing
            a_graceful_shutdown_lets_transfers_end a_stop_ends_transfers_at_once handles_outlive_their_server
            no_end_leaves_a_part_on_disk a_full_store_ends_the_upload a_source_may_take_its_time
            a_reader_may_take_its_time
            missing_files forbidden_uploads existing_files uploads_above_the_limit downloads_above_the_limit
            one_writer_for_each_name errors_of_the_source_end_the_upload panics_of_storage_stay_with_their_transfer
            unread_bytes_are_not_a_success bad_requests_are_not_sent
            a_server_that_ignores_options a_server_that_refuses_options a_server_that_sends_errors
            addresses_are_tried_in_turn silence_ends_in_a_timeout strangers_are_told_and_ignored
            answers_from_elsewhere_are_an_option
            a_lost_last_ack_is_repeated an_unconfirmed_upload_is_no_success);
    };
    (@ $module:ident, $runtime:expr, $run:expr, $spawn:expr, $($case:ident)*) => {
        mod $module {
            $(#[test]
            fn $case() {
                let rig = crate::transfer_suite::Rig::new($runtime, $spawn);
                $run(async move {
                    let runtime = $runtime;
                    crate::transfer_suite::within_a_minute(&runtime, crate::transfer_suite::$case(rig)).await;
                });
            })*
        }
    };
}
pub(crate) use suite;
