# What working on the crate and on its Nix files takes.
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
