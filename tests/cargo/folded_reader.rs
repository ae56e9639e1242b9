//! Folded stacks on standard input, read as inferno's flame graphs read them; the picture on standard output.
use std::io;

fn main() {
    let mut options = inferno::flamegraph::Options::default();
    let (stdin, stdout) = (io::stdin(), io::stdout());

    options.count_name = "units".to_string();
    options.min_width = 0.0;
    inferno::flamegraph::from_reader(&mut options, stdin.lock(), stdout.lock()).expect("folded stacks");
}
