await session.flush();
