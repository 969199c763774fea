# The options of sops-nix and agenix that the examples set. The two projects are not inputs of the flake.
{lib}: let
  inherit (lib) mkOption types;
  secrets = path: extra:
    mkOption {
      default = {};
      type = types.attrsOf (types.submodule ({name, ...}: {
        options =
          {
            path = mkOption {
              type = types.str;
              default = path name;
            };
          }
          // extra;
      }));
    };
  anything = mkOption {
    type = types.raw;
    default = null;
  };
  age = path: {
    options.age = {
      identityPaths = anything;
      secrets = secrets path {file = anything;};
    };
  };
  sops = path: {
    options.sops = {
      age.keyFile = anything;
      defaultSopsFile = anything;
      secrets = secrets path {sopsFile = anything;};
    };
  };
in {
  agenix = {
    homeManagerModules.default = age (name: "\${XDG_RUNTIME_DIR}/agenix/${name}");
    nixosModules.default = age (name: "/run/agenix/${name}");
  };
  sops-nix = {
    homeManagerModules.sops = sops (name: "/home/alice/.config/sops-nix/secrets/${name}");
    nixosModules.sops = sops (name: "/run/secrets/${name}");
  };
}
