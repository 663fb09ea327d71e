//! The command line.

fn main() -> std::process::ExitCode {
    outthink::run(std::env::args_os())
}
