//! The `natlab` program: parse the arguments, run the command, exit with its code.

fn main() -> std::process::ExitCode {
    natlab::cli::main()
}
