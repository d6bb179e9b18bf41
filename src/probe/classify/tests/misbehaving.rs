//! Servers that lie, and half servers: each has a defined answer.

use super::*;
use crate::classification::{MappingFound, ServerRole, Status};
use crate::server::stun::Answer;

const STRICT: (Mapping, Filtering) = (Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);

async fn with(behavior: (Mapping, Filtering), mischief: Mischief) -> Found {
    let world = World::new(napt(behavior.0, behavior.1), vec![behavior_server(mischief)]);
    ask(&world, &[PRIMARY], options()).await
}

#[tokio::test(start_paused = true)]
async fn a_dead_alternate_is_no_strict_filter() {
    for filtering in Filtering::ALL {
        let found = with((Mapping::EndpointIndependent, filtering), |at, a| {
            if at.other_address || a.from.other_address { Vec::new() } else { vec![(a.from, a.bytes)] }
        })
        .await;
        let f = &found.family;
        assert_eq!((f.mapping.value, f.filtering.value), (None, None), "{filtering}: {f:#?}");
        assert_eq!(f.filtering.status, Status::Inconclusive);
        let because = f.filtering.because.as_ref().unwrap();
        assert!(because.contains("proves nothing"), "{because}");
        assert_eq!(found.servers[0].control.unwrap().alternate, Some(false));
        assert_eq!(found.servers[0].role, ServerRole::Ordinary);
    }
}

#[tokio::test(start_paused = true)]
async fn ignoring_change_request_is_no_open_filter() {
    let found = with(STRICT, |at, a| vec![(at, a.bytes)]).await;
    assert_eq!(found.family.mapping.value, Some(MappingFound::EndpointIndependent));
    assert_eq!((found.family.filtering.value, found.family.filtering.status), (None, Status::Unsupported));
    assert!(found.family.filtering.because.unwrap().contains("ignores CHANGE-REQUEST"));
}

/// Alternates that answer plain requests and swallow changed ones: what every tool takes for APDF.
#[tokio::test(start_paused = true)]
async fn swallowing_change_request_is_no_strict_filter() {
    for mapping in [Mapping::EndpointIndependent, Mapping::AddressDependent] {
        let found = with((mapping, Filtering::EndpointIndependent), |at, a| {
            if a.from == at { vec![(at, a.bytes)] } else { Vec::new() }
        })
        .await;
        assert_eq!(found.family.mapping.value, Some(mapping.into()));
        assert_eq!(found.family.filtering.value, None, "{mapping}: {:#?}", found.family.filtering);
        assert!(found.family.filtering.because.unwrap().contains("even where nothing keeps that out"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_wrong_source_and_the_wrong_id_are_no_answers() {
    let found = with(STRICT, |_, a| vec![(a.from.opposite(), a.bytes)]).await;
    assert_eq!(found.family.mapping.value, None);
    // Behind this filter the wrong source does not even come in.
    assert_eq!(found.servers[0].problems, ["it does not answer"]);
    let found =
        with((Mapping::EndpointIndependent, Filtering::EndpointIndependent), |_, a| vec![(a.from.opposite(), a.bytes)])
            .await;
    assert_eq!(found.servers[0].problems, [format!("{PRIMARY} was asked and {ALTERNATE} answered")]);
    let found = with(STRICT, |_, mut a| {
        a.bytes[19] ^= 1;
        vec![(a.from, a.bytes)]
    })
    .await;
    assert_eq!((found.family.mapping.value, found.family.filtering.value), (None, None));
    assert_eq!(found.family.udp.value, Some(crate::nat::UdpPolicy::Allowed), "something came in");
}

#[tokio::test(start_paused = true)]
async fn truncated_and_oversized_answers_are_named() {
    let cut: Mischief = |_, a| vec![(a.from, a.bytes[..30].to_vec())];
    let long: Mischief = |_, a| vec![(a.from, [a.bytes, vec![0; 100]].concat())];
    let huge: Mischief = |_, a| vec![(a.from, [a.bytes, vec![0; 8000]].concat())];
    for mischief in [cut, long, huge] {
        let found = with(STRICT, mischief).await;
        assert_eq!(found.servers[0].role, ServerRole::Unusable);
        assert!(found.servers[0].problems[0].contains("no STUN"), "{:?}", found.servers[0].problems);
        assert_eq!(found.family.mapping.value, None);
    }
}

/// Puts an error response in the place of an answer.
fn refusal(answer: &Answer, code: u16, more: &[u8]) -> Vec<u8> {
    let mut bytes = answer.bytes[..20].to_vec();
    bytes[..2].copy_from_slice(&0x0111u16.to_be_bytes());
    let error = [0, 9, 0, 4, 0, 0, (code / 100) as u8, (code % 100) as u8];
    bytes.extend(error.iter().chain(more));
    let length = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[tokio::test(start_paused = true)]
async fn refusals_are_named() {
    let found = with(STRICT, |at, a| match a.from == at {
        true => vec![(at, a.bytes)],
        false => vec![(at, refusal(&a, 420, &[]))],
    })
    .await;
    assert_eq!(found.family.filtering.status, Status::Unsupported);
    assert!(found.family.filtering.because.unwrap().contains("refuses CHANGE-REQUEST with 420"));

    // ALTERNATE-SERVER 203.0.113.77:3478.
    let found =
        with(STRICT, |at, a| vec![(at, refusal(&a, 300, &[0x80, 0x23, 0, 8, 0, 1, 0x0d, 0x96, 203, 0, 113, 77]))])
            .await;
    assert!(found.servers[0].problems[0].contains("203.0.113.77:3478 (300 Try Alternate)"), "{:?}", found.servers);
    assert_eq!(found.servers[0].role, ServerRole::Unusable);
    let found = with(STRICT, |at, a| vec![(at, refusal(&a, 500, &[]))]).await;
    assert_eq!(found.servers[0].problems, ["it refused a plain request with 500"]);
}

/// A server in a container says what the container sees.
#[tokio::test(start_paused = true)]
async fn a_private_mapped_address_is_rejected() {
    let dockerised: Mischief = |_, mut a| {
        // MAPPED-ADDRESS and XOR-MAPPED-ADDRESS 172.18.0.1.
        let mut i = 20;
        while i + 4 <= a.bytes.len() {
            let typ = u16::from_be_bytes([a.bytes[i], a.bytes[i + 1]]);
            let length = usize::from(u16::from_be_bytes([a.bytes[i + 2], a.bytes[i + 3]]));
            match typ {
                0x0001 => a.bytes[i + 8..i + 12].copy_from_slice(&[172, 18, 0, 1]),
                0x0020 => {
                    let xored = u32::from_be_bytes([172, 18, 0, 1]) ^ 0x2112_A442;
                    a.bytes[i + 8..i + 12].copy_from_slice(&xored.to_be_bytes());
                }
                _ => {}
            }
            i += 4 + length.next_multiple_of(4);
        }
        vec![(a.from, a.bytes)]
    };
    let found = with(STRICT, dockerised).await;
    assert!(found.servers[0].problems[0].contains("stands behind a NAT itself"), "{:?}", found.servers[0].problems);
    assert_eq!(found.servers[0].role, ServerRole::Unusable);
    assert_eq!(found.family.mapping.value, None);
}

#[tokio::test(start_paused = true)]
async fn an_alg_is_seen() {
    let found = with(STRICT, |_, mut a| {
        // MAPPED-ADDRESS becomes the inside address, as a gateway that knows no better does.
        if let Some(clear) = a.bytes.windows(4).position(|w| w == [0, 1, 0, 8]) {
            a.bytes[clear + 8..clear + 12].copy_from_slice(&[10, 0, 0, 2]);
        }
        vec![(a.from, a.bytes)]
    })
    .await;
    assert_eq!(found.family.alg.value, Some(true), "{:#?}", found.family.alg);
}

/// One liar among three addresses; and a second behaviour server when the first fails its control test.
#[tokio::test(start_paused = true)]
async fn other_servers_step_in() {
    let liar: Mischief = |_, mut a| {
        if let Some(xor) = a.bytes.windows(4).position(|w| w == [0, 0x20, 0, 8]) {
            a.bytes[xor + 7] ^= 0x55;
        }
        vec![(a.from, a.bytes)]
    };
    let addresses = ["203.0.113.1:3478", "203.0.113.9:3478", "203.0.113.10:3478"];
    for dishonest in 0..3 {
        let servers = addresses
            .iter()
            .enumerate()
            .map(|(i, s)| Server { mischief: if i == dishonest { liar } else { proper }, ..ordinary(s) });
        let world = World::new(napt(STRICT.0, STRICT.1), servers.collect());
        let f = ask(&world, &addresses, options()).await.family;
        assert_eq!(f.mapping.value, Some(MappingFound::EndpointIndependent), "{:#?}", f.mapping);
    }

    let dead: Mischief = |at, a| if at == Place::PRIMARY && a.from == at { vec![(at, a.bytes)] } else { Vec::new() };
    let second = Endpoints { primary: at("192.0.2.1:3478"), alternate: Some(at("192.0.2.2:3479")) };
    let world = World::new(
        napt(STRICT.0, STRICT.1),
        vec![behavior_server(dead), Server { endpoints: second, mischief: proper }],
    );
    let found = ask(&world, &[PRIMARY, "192.0.2.1:3478"], options()).await;
    assert_eq!(found.family.filtering.value, Some(STRICT.1), "{found:#?}");
    assert_eq!(found.family.mapping.value, Some(MappingFound::EndpointIndependent));
    assert_eq!(found.servers[0].role, ServerRole::Ordinary);
    assert_eq!(found.servers[1].role, ServerRole::Behavior);
}
