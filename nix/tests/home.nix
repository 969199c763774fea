# One user's home with our module, evaluated by the real home-manager.
{
  home-manager,
  lib,
  pkgs,
  self,
}: let
  inherit (pkgs.stdenv.hostPlatform) isDarwin;
  base = {
    home = {
      username = "alice";
      homeDirectory =
        if isDarwin
        then "/Users/alice"
        else "/home/alice";
      stateVersion = "26.05";
    };
  };
  extended = import "${home-manager}/modules/lib/stdlib-extended.nix" lib;
in {
  # As a user has it: a failed assertion throws.
  configuration = module:
    home-manager.lib.homeManagerConfiguration {
      inherit pkgs;
      modules = [base module self.homeModules.default];
    };

  # Without that, to read the failed assertions: null where the module system refuses.
  refusals = module: let
    inherit
      (extended.evalModules {
        class = "homeManager";
        modules =
          [base module self.homeModules.default]
          ++ import "${home-manager}/modules/modules.nix" {
            inherit pkgs;
            check = true;
            lib = extended;
            # With the given packages; they are not imported once more.
            useNixpkgsModule = false;
          };
        specialArgs.modulesPath = "${home-manager}/modules";
      })
      config
      ;
    # What a home takes from the module; all of a home would take long.
    taken = [
      config.launchd.agents
      config.services.moonrelay.settings
      config.systemd.user.services
      config.home.sessionVariables
    ];
    failed = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
    result = builtins.tryEval (builtins.deepSeq taken (builtins.deepSeq failed failed));
  in
    if result.success
    then result.value
    else null;
}
