# The tools to work on the crate and on its Nix files.
{
  package,
  pkgs,
}:
pkgs.mkShell {
  inputsFrom = [package];
  packages = [
    pkgs.alejandra
    pkgs.cargo
    pkgs.cargo-deny
    pkgs.clippy
    pkgs.deadnix
    pkgs.jq
    pkgs.rust-analyzer
    pkgs.rustc
    pkgs.rustfmt
  ];
}
