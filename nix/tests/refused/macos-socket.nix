let
  held = socketActivation: {
    services.moonrelay = {
      settings.gateway.bind = "unix:/tmp/moonrelay.sock";
      inherit socketActivation;
    };
  };
in {
  macos = true;
  good = held false;
  bad = held true;
  says = "launchd's sockets are not supported";
}
