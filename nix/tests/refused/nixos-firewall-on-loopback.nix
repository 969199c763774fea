let
  opened = bind: {
    services.moonrelay = {
      openFirewall = true;
      settings.gateway = {
        auth.token = "\${MOONRELAY_TOKEN}";
        inherit bind;
      };
    };
  };
in {
  nixos = true;
  good = opened "all";
  bad = opened "loopback";
  says = "services.moonrelay.settings.gateway.bind = \"all\";";
}
