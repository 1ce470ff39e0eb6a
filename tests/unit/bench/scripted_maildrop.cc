#include "tests/unit/bench/scripted_maildrop.h"

#include "bench/load/corpus.h"
#include "bench/load/dots.h"

namespace poplar::load {

std::string Mail() { return "Return-Path: <a@b>\r\n" + Generate({.id = 5, .octets = 700}); }

Script GoodScript() {
  std::string octets = std::to_string(Mail().size());
  return {{"", "+OK hello\r\n"},
          {"CAPA", "+OK\r\nUSER\r\nUIDL\r\n.\r\n"},
          {"USER", "+OK\r\n"},
          {"PASS", "+OK\r\n"},
          {"STAT", "+OK 1 " + octets + "\r\n"},
          {"LIST", "+OK\r\n1 " + octets + "\r\n.\r\n"},
          {"UIDL", "+OK\r\n1 abc\r\n.\r\n"},
          {"RETR", "+OK " + octets + " octets\r\n" + Stuff(Mail())},
          {"DELE", "+OK\r\n"},
          {"NOOP", "+OK\r\n"},
          {"QUIT", "+OK\r\n"}};
}

}  // namespace poplar::load
