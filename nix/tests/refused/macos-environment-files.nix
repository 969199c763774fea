{
  macos = true;
  good.services.moonrelay.environmentFile = ["/etc/one.env"];
  bad.services.moonrelay.environmentFile = ["/etc/one.env" "/etc/two.env"];
  says = "macOS takes one file";
}
