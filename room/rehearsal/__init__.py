"""A lesson rehearsed by throwaway students: what was measured, and how many seats that makes."""
