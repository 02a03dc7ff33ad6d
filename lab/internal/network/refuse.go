package network

import "encoding/binary"

const (
	headerLength  = 12
	flagResponse  = 0x80
	codeRefused   = 5
	maskOpcodeRD  = 0x79
	offsetFlags   = 2
	offsetCode    = 3
	offsetCounts  = 4
	offsetAnswers = 6
)

// refuse makes of a DNS question the answer REFUSED (RFC 1035, section 4.1.1).
// The question is sent back with it, additional records are not.
func refuse(question []byte) ([]byte, bool) {
	if len(question) < headerLength || question[offsetFlags]&flagResponse != 0 {
		return nil, false
	}
	end, ok := questionEnd(question)
	if !ok {
		return nil, false
	}
	answer := append([]byte(nil), question[:end]...)
	answer[offsetFlags] = answer[offsetFlags]&maskOpcodeRD | flagResponse
	answer[offsetCode] = codeRefused
	clear(answer[offsetAnswers:headerLength])
	return answer, true
}

// questionEnd is where the only question of a message ends.
func questionEnd(message []byte) (int, bool) {
	if binary.BigEndian.Uint16(message[offsetCounts:]) != 1 {
		return 0, false
	}
	position := headerLength
	for position < len(message) {
		length := int(message[position])
		position += 1 + length
		if length == 0 {
			position += 4 // type and class
			return position, position <= len(message)
		}
	}
	return 0, false
}
