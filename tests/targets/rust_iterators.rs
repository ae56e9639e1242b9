// Rust, optimized: 75 % below an iterator chain that is inlined away, 25 % below a trait object.
use std::env;
use std::process;
use std::ptr;
use std::time::{Duration, Instant};

const PIECE: u32 = 8000;

/* std::hint::black_box is of Rust 1.66; Debian 12 has 1.63. */
fn black_box<T>(x: T) -> T {
    unsafe {
        let y = ptr::read_volatile(&x);
        std::mem::forget(x);
        y
    }
}

#[inline(always)]
fn churn(mut x: u64, rounds: u32) -> u64 {
    for _ in 0..rounds {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

trait Work {
    fn work(&self, x: u64) -> u64;
}

struct Slow;

impl Work for Slow {
    #[inline(never)]
    fn work(&self, x: u64) -> u64 {
        churn(x, PIECE) + 1
    }
}

#[inline(never)]
fn chain(x: u64, parts: &[u64]) -> u64 {
    parts
        .iter()
        .map(|p| churn(x ^ p, PIECE / 8))
        .filter(|y| y & 1 == 1)
        .fold(x, |a, b| a.wrapping_add(b))
}

#[inline(never)]
fn dispatch(seed: &mut u64, x: u64, parts: &[u64], other: &dyn Work) -> u64 {
    *seed = churn(*seed, 1);
    if (*seed >> 32) % 100 < 75 {
        chain(x, parts) + 1
    } else {
        other.work(x) + 2
    }
}

fn main() {
    let seconds: u64 = env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(60).min(300);
    let end = Instant::now() + Duration::from_secs(seconds);
    let parts: Vec<u64> = (1..=8).collect();
    let other: Box<dyn Work> = Box::new(Slow);
    let (mut x, mut seed) = (1u64, 0x9e3779b97f4a7c15u64);

    println!(
        "{{\"pid\": {}, \"shares\": {{\"chain\": 0.75, \"work\": 0.25}}, \
         \"stacks\": [[\"fold\", \"chain\", \"dispatch\", \"main\"]], \
         \"inlined\": [\"fold\"]}}",
        process::id()
    );
    while Instant::now() < end {
        for _ in 0..64 {
            x = black_box(dispatch(&mut seed, x | 1, &parts, &*other) & 0xffff_ffff) | 1;
        }
    }
    black_box(x);
}
