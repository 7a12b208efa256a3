//! The client against servers played by hand.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join;
use tftp_driver::runtime::Runtime;
use tftp_driver::types::{Error, ErrorCode, Options, Outcome, Timing};

use super::endings::fast;
use super::rig::{Pieces, Rig, content, download, memory, read_to_end};

fn data(block: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 3][..], &block.to_be_bytes(), payload].concat()
}

fn ack(block: u16) -> Vec<u8> {
    [&[0, 4][..], &block.to_be_bytes()].concat()
}

fn error(code: u8) -> Vec<u8> {
    [&[0, 5, 0, code][..], b"because\0"].concat()
}

pub(crate) async fn a_server_that_ignores_options<R: Runtime>(rig: Rig<R>) {
    let (mut listener, mut transfer) = (rig.peer(), rig.peer());
    let address = listener.address();
    let client = rig.client_with(|builder| builder.block_size(1024).window_size(4));
    let file = content(1, 700);
    let server = async {
        let (request, from) = listener.receive().await;
        assert!(request.starts_with(b"\0\x01file\0octet\0blksize\x001024\0"), "{request:?}");
        for (block, payload) in [(1, &file[..512]), (2, &file[512..])] {
            transfer.send(&data(block, payload), from);
            assert_eq!(transfer.receive().await.0, ack(block));
        }
        let (request, from) = listener.receive().await;
        assert!(request.starts_with(b"\0\x02file\0octet\0"), "{request:?}");
        transfer.send(&ack(0), from);
        for (block, payload) in [(1, &file[..512]), (2, &file[512..])] {
            assert!(transfer.receive().await.0 == data(block, payload));
            transfer.send(&ack(block), from);
        }
    };
    let transfers = async {
        let mut download = client.get(address, "file").await.unwrap();
        assert_eq!((download.parameters().block_size, download.size()), (512, None));
        assert!(read_to_end(&mut download).await.unwrap() == file);
        client.put(address, "file", Pieces(file.clone()), Some(700)).await.unwrap();
    };
    join(server, transfers).await;
}

pub(crate) async fn a_server_that_refuses_options<R: Runtime>(rig: Rig<R>) {
    let mut peer = rig.peer();
    let address = peer.address();
    let client = rig.client();
    let server = async {
        let (_, from) = peer.receive().await;
        peer.send(&error(8), from);
        let (request, from) = peer.receive().await;
        assert_eq!(request, b"\0\x01file\0octet\0");
        peer.send(&data(1, b"old"), from);
        assert_eq!(peer.receive().await.0, ack(1));
    };
    let (_, file) = join(server, download(&client, address, "file")).await;
    assert_eq!(file.unwrap(), b"old");

    // Unless it is told not to.
    let client = rig.client_with(|builder| builder.fall_back(false));
    let server = async {
        let (_, from) = peer.receive().await;
        peer.send(&error(8), from);
    };
    let (_, file) = join(server, download(&client, address, "file")).await;
    assert!(matches!(file, Err(Error::Refused { code: ErrorCode::OptionNegotiation, .. })));
}

pub(crate) async fn a_server_that_sends_errors<R: Runtime>(rig: Rig<R>) {
    let mut peer = rig.peer();
    let address = peer.address();
    let client = rig.client_with(|builder| builder.options(Options::NONE));
    let server = async {
        let (_, from) = peer.receive().await;
        peer.send(&data(1, &[7; 512]), from);
        assert_eq!(peer.receive().await.0, ack(1));
        peer.send(&error(3), from);
    };
    let transfer = async {
        let mut download = client.get(address, "file").await.unwrap();
        let mut all = Vec::new();
        let error = loop {
            match super::rig::read_some(&mut download, 1000).await {
                Ok(some) => all.extend(some),
                Err(error) => break error,
            }
        };
        assert_eq!(all, [7; 512], "what came before the error was read");
        let Error::Refused { code, message, report } = error else { panic!("{error}") };
        assert_eq!((code, &message[..]), (ErrorCode::DiskFull, "because"));
        assert_eq!(report.bytes, 512);
    };
    join(server, transfer).await;
}

pub(crate) async fn addresses_are_tried_in_turn<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", "here").unwrap();
    let server = rig.serve(memory);
    let (mut silent, mut slow) = (rig.peer(), rig.peer());
    let client = rig.client_with(|builder| builder.timing(fast()));
    let unreachable: SocketAddr = "[::1]:1".parse().unwrap();
    let mut download = client.get(vec![silent.address(), unreachable, server.address()], "file").await.unwrap();
    assert_eq!(read_to_end(&mut download).await.unwrap(), b"here");
    assert_eq!(download.report().unwrap().peer.ip(), server.address().ip());

    // One that misses the first round is asked again.
    let addresses = vec![silent.address(), slow.address()];
    let answering = async {
        for _ in 0..2 {
            slow.receive().await;
        }
        let (_, from) = slow.receive().await;
        slow.send(&data(1, b"late"), from);
    };
    let transfer = async {
        let mut download = client.get(addresses, "file").await.unwrap();
        assert_eq!(read_to_end(&mut download).await.unwrap(), b"late");
    };
    join(answering, transfer).await;
    for _ in 0..4 {
        silent.receive().await;
    }

    // And there is an end to it.
    let error = client.get(vec![silent.address(), slow.address()], "file").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
}

pub(crate) async fn silence_ends_in_a_timeout<R: Runtime>(rig: Rig<R>) {
    let mut peer = rig.peer();
    let address = peer.address();
    let client = rig.client_with(|builder| builder.timing(fast()));
    let error = client.get(address, "file").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
    assert_eq!(error.to_string(), "the server did not answer");
    for _ in 0..3 {
        assert!(peer.receive().await.0.starts_with(b"\0\x01file"), "the request and two repeats");
    }

    let timing = Timing { give_up_after: Duration::from_millis(300), ..fast() };
    let client = rig.client_with(|builder| builder.timing(timing).options(Options::NONE));
    let server = async {
        let (_, from) = peer.receive().await;
        peer.send(&data(1, &[0; 512]), from);
    };
    let (_, result) = join(server, download(&client, address, "file")).await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)), "{error}");
    assert_eq!(error.to_string(), "the server fell silent");
}

pub(crate) async fn strangers_are_told_and_ignored<R: Runtime>(rig: Rig<R>) {
    let (mut peer, mut stranger) = (rig.peer(), rig.peer());
    let address = peer.address();
    let client = rig.client_with(|builder| builder.options(Options::NONE));
    let server = async {
        let (_, from) = peer.receive().await;
        peer.send(&data(1, &[1; 512]), from);
        assert_eq!(peer.receive().await.0, ack(1));
        stranger.send(&data(2, b"forged"), from);
        let (answer, source) = stranger.receive().await;
        assert_eq!((&answer[..4], source), (&b"\0\x05\0\x05"[..], from));
        peer.send(&data(2, b"real"), from);
        assert_eq!(peer.receive().await.0, ack(2));
    };
    let (_, file) = join(server, download(&client, address, "file")).await;
    assert_eq!(&file.unwrap()[512..], b"real");
}

pub(crate) async fn answers_from_elsewhere_are_an_option<R: Runtime>(rig: Rig<R>) {
    let mut listener = rig.peer();
    let elsewhere = std::net::UdpSocket::bind("127.0.0.2:0").unwrap();
    let address = listener.address();
    for accept in [true, false] {
        let client = rig.client_with(|builder| {
            builder.options(Options::NONE).accept_any_source(accept).timing(Timing { unproved_retries: 0, ..fast() })
        });
        let server = async {
            let (_, from) = listener.receive().await;
            elsewhere.send_to(&data(1, b"short"), from).unwrap();
        };
        match (accept, join(server, download(&client, address, "file")).await.1) {
            (true, Ok(file)) => assert_eq!(file, b"short"),
            (false, Err(Error::TimedOut(_))) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn a_lost_last_ack_is_repeated<R: Runtime>(rig: Rig<R>) {
    let mut peer = rig.peer();
    let address = peer.address();
    let client = rig.client_with(|builder| builder.options(Options::NONE).timing(Timing::default()));
    let server = async {
        let (_, from) = peer.receive().await;
        // A client whose server is very near leaves at once.
        rig.sleep(Duration::from_millis(20)).await;
        peer.send(&data(1, b"short"), from);
        assert_eq!(peer.receive().await.0, ack(1));
        // As if that had been lost.
        peer.send(&data(1, b"short"), from);
        assert_eq!(peer.receive().await.0, ack(1));
    };
    let transfer = async {
        let mut download = client.get(address, "file").await.unwrap();
        assert_eq!(read_to_end(&mut download).await.unwrap(), b"short");
        download.finish().await.unwrap()
    };
    let (_, report) = join(server, transfer).await;
    assert_eq!(report.outcome, Outcome::Completed);
}

pub(crate) async fn an_unconfirmed_upload_is_no_success<R: Runtime>(rig: Rig<R>) {
    let mut peer = rig.peer();
    let address = peer.address();
    let timing = Timing { give_up_after: Duration::from_millis(300), ..fast() };
    let client = rig.client_with(|builder| builder.options(Options::NONE).timing(timing));
    let server = async {
        let (_, from) = peer.receive().await;
        peer.send(&ack(0), from);
        assert_eq!(peer.receive().await.0, data(1, b"short"));
    };
    let upload = client.put(address, "file", Pieces(b"short"[..].into()), None).into_future();
    let (_, result) = join(server, upload).await;
    assert!(matches!(result, Err(Error::Unconfirmed(_))), "{result:?}");
}
