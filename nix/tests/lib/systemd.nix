{systemd, ...}: {
  "arguments are quoted" = {
    actual = map systemd.argument ["--port" "a b" "100%" "$HOME"];
    expected = [''"--port"'' ''"a b"'' ''"100%%"'' ''"$$HOME"''];
  };
  "a unit" = {
    actual = systemd.unitText {
      Install = {WantedBy = [];};
      Service = {
        Environment = [];
        ExecStart = ["/bin/true"];
        NoNewPrivileges = true;
        CapabilityBoundingSet = "";
        WatchdogSec = 30;
      };
      Unit = {
        After = ["a.service" "b.service"];
        X-SwitchMethod = null;
      };
    };
    expected = ''
      [Service]
      CapabilityBoundingSet=
      ExecStart=/bin/true
      NoNewPrivileges=true
      WatchdogSec=30

      [Unit]
      After=a.service
      After=b.service
    '';
  };
}
