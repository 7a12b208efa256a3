//! Every layer, over any storage.

use tftp_driver::storage::layers::{
    ByNetwork, ClientDirs, Fallback, NameRules, Quota, ReadOnly, Renamed, Split, Templates, TrimJunk, UniqueNames,
    WriteOnly,
};
use tftp_driver::storage::{BoxStorage, Storage, Usage};

/// Every layer over the same storage, and all of them at once.
pub(crate) fn layers<S: Storage + Clone>(storage: &S) -> Vec<(&'static str, BoxStorage)> {
    let rules = NameRules::parse(
        r"
        rg  \\        /
        ri  ^up/      ../
        r   ^root/    /root/../../
        r   ^(.*)@(.*)$  \2/../\1
        r   %2e       .
        ",
    )
    .unwrap();
    let files = || storage.clone();
    let network = || "192.0.2.0/24".parse().unwrap();
    let all = Fallback::new(files(), files()).hiding(true);
    let all = UniqueNames::new(Quota::new(all, Usage::default()));
    let all = ByNetwork::new(files()).network(network(), ClientDirs::new(all).or_shared());
    let all = Renamed::new(Renamed::new(all, rules.clone()), TrimJunk);
    vec![
        ("Fallback", BoxStorage::new(Fallback::new(files(), files()).hiding(true))),
        ("Split", BoxStorage::new(Split::new(files(), files()))),
        ("Quota", BoxStorage::new(Quota::new(files(), Usage::default()))),
        ("ReadOnly", BoxStorage::new(ReadOnly::new(files()))),
        ("WriteOnly", BoxStorage::new(WriteOnly::new(files()))),
        ("TrimJunk", BoxStorage::new(Renamed::new(files(), TrimJunk))),
        ("NameRules", BoxStorage::new(Renamed::new(files(), rules))),
        ("ClientDirs", BoxStorage::new(ClientDirs::new(files()))),
        ("ClientDirs or shared", BoxStorage::new(ClientDirs::new(files()).or_shared())),
        ("ByNetwork", BoxStorage::new(ByNetwork::new(files()).network(network(), files()))),
        ("UniqueNames", BoxStorage::new(UniqueNames::new(files()))),
        ("Templates", BoxStorage::new(Templates::new(files()))),
        ("all", BoxStorage::new(all)),
    ]
}
