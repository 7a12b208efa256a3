//! Two servers, one bucket.

use super::bench::{PART, get, leftovers, put, serve, start_put};
use super::stand::Weed;
use super::support::{finish, pattern};

/// The content of one client: no two have a byte in common.
fn content(client: usize, len: usize) -> Vec<u8> {
    pattern(len).into_iter().map(|byte| byte & 0x1f | (client as u8) << 5).collect()
}

#[test]
fn of_many_clients_at_two_servers_exactly_one_wins() {
    let Some(weed) = Weed::start() else { return };
    let servers = ["one", "two"].map(|name| serve(&weed.place(), &["--create", "--instance", name]));
    for (round, len) in [5000, PART + 9, 100_000, 2 * PART].into_iter().enumerate() {
        let name = format!("file-{round}");
        let clients: Vec<_> = (0..6).map(|client| start_put(&servers[client % 2], &name)).collect();
        let ended: Vec<_> = std::thread::scope(|scope| {
            let put = |(client, child)| scope.spawn(move || finish(child, &content(client, len)));
            let threads: Vec<_> = clients.into_iter().enumerate().map(put).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<_> = (0..6).filter(|client| ended[*client].code == Some(0)).collect();
        assert_eq!(winners.len(), 1, "{name}: {ended:?}");
        for loser in ended.into_iter().filter(|ended| ended.code != Some(0)) {
            let loser = loser.failed_with(4);
            // One of them is already there, or about to be.
            let told = ["file already exists", "file is being written by another client"];
            assert!(told.iter().any(|text| loser.stderr.contains(text)), "{}", loser.stderr);
        }
        for server in &servers {
            assert!(get(server, &name).succeeded().stdout == content(winners[0], len), "{name}");
            put(server, &name, b"late").failed_with(4).says("file already exists");
        }
    }
    assert_eq!(leftovers(&weed), (0, 0));
}

#[test]
fn with_overwriting_the_file_is_one_of_them_and_whole() {
    let Some(weed) = Weed::start() else { return };
    let args = ["--create", "--overwrite", "--fresh-for", "0"];
    let servers = ["one", "two"].map(|name| serve(&weed.place(), &[&args[..], &["--instance", name]].concat()));
    for len in [5000, PART + 9] {
        let clients = [0, 1].map(|client| start_put(&servers[client], "file"));
        std::thread::scope(|scope| {
            for (client, child) in clients.into_iter().enumerate() {
                scope.spawn(move || finish(child, &content(client, len)).succeeded());
            }
        });
        let stored = get(&servers[0], "file").succeeded().stdout;
        assert!((0..2).any(|client| stored == content(client, len)), "a mixture");
        assert!(get(&servers[1], "file").succeeded().stdout == stored);
    }
    assert_eq!(leftovers(&weed), (0, 0));
}
