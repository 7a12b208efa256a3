//! Many transfers at once.

use futures_util::future::join_all;
use tftp_driver::runtime::Runtime;
use tftp_driver::types::{Direction, Outcome};

use super::rig::{Pieces, Rig, content, download, memory};

const EACH_WAY: u32 = 200;

pub(crate) async fn two_hundred_at_once_each_way<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    for file in 0..EACH_WAY {
        memory.insert(format!("down {file}"), content(file, 20_000 + file as usize)).unwrap();
    }
    let server = rig.serve(memory.clone());
    let address = server.address();
    let transfers = (0..EACH_WAY).flat_map(|file| [(file, Direction::Read), (file, Direction::Write)]);
    let all = transfers.map(|(file, direction)| {
        let window = [1, 4, 16][file as usize % 3];
        // An address of their own: of so many ports, one could be that of a client which vanished in another test, and
        // to which a server still sends.
        let local = "127.0.7.7:0".parse().unwrap();
        let client = rig.client_with(|builder| builder.window_size(window).local_addr(local));
        async move {
            match direction {
                Direction::Read => {
                    let data = download(&client, address, &format!("down {file}")).await.unwrap();
                    assert!(data == content(file, 20_000 + file as usize), "down {file}");
                }
                Direction::Write => {
                    let data = content(!file, 10_000 + file as usize);
                    client.put(address, format!("up {file}"), Pieces(data), None).await.unwrap();
                }
            }
        }
    });
    join_all(all).await;
    for file in 0..EACH_WAY {
        let data = memory.get(format!("up {file}")).unwrap();
        assert!(data == content(!file, 10_000 + file as usize), "up {file}");
    }
    let reports = server.finished(&rig, 2 * EACH_WAY as usize).await;
    assert!(reports.iter().all(|report| report.outcome == Outcome::Completed));
}
