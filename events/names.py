"""What people call the kinds of things that cross the wire: in Vietnamese, and in English."""

from typing import Final

from events.incident import IncidentKind, Severity

INCIDENT_KIND_NAMES: Final[dict[IncidentKind, tuple[str, str]]] = {
    "stopped_vehicle": ("Xe dừng bất thường", "Stopped vehicle"),
    "wrong_way": ("Đi ngược chiều", "Wrong-way driving"),
    "collision": ("Va chạm", "Collision"),
    "near_miss": ("Suýt va chạm", "Near miss"),
    "pedestrian_on_road": ("Người đi bộ dưới lòng đường", "Pedestrian on the road"),
    "speeding": ("Chạy quá tốc độ", "Speeding"),
    "illegal_uturn": ("Quay đầu sai quy định", "Illegal U-turn"),
    "illegal_parking": ("Đỗ xe sai quy định", "Illegal parking"),
    "debris": ("Vật cản trên đường", "Debris on the road"),
    "congestion": ("Ùn tắc", "Congestion"),
    "object_detected": ("Phát hiện đối tượng", "Object detected"),
    "citizen_report": ("Phản ánh của người dân", "Citizen's report"),
}
SEVERITY_NAMES: Final[dict[Severity, tuple[str, str]]] = {
    "critical": ("Khẩn cấp", "Critical"),
    "major": ("Nghiêm trọng", "Major"),
    "minor": ("Nhẹ", "Minor"),
    "info": ("Thông tin", "Info"),
}
